"""The store that the settings name."""

from __future__ import annotations

from pathlib import Path

from service.sessions.stores.folder import FolderStore
from service.sessions.stores.store import SnapshotStore


def open_store(place: str | None, most_bytes: int) -> SnapshotStore | None:
    """`dir:PATH`, `redis://…` or None, as CAROUSEL_SESSION_STORE says; connects to nothing yet."""
    if place is None:
        return None
    if place.startswith("dir:"):
        return FolderStore(Path(place.removeprefix("dir:")), most_bytes)
    # The client is an extra.
    from service.sessions.stores.redis_store import RedisStore

    return RedisStore(place)
