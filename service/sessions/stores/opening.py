"""The store that the settings name."""

from __future__ import annotations

from pathlib import Path

import structlog

from service.errors import InvalidSettings, StoreUnavailable
from service.sessions.stores.folder import FolderStore
from service.sessions.stores.store import SnapshotStore

_logger = structlog.get_logger()


def open_store(place: str | None, most_bytes: int) -> SnapshotStore | None:
    """`dir:PATH`, `redis://…` or None, as CAROUSEL_SESSION_STORE says; connects to nothing yet."""
    if place is None:
        return None
    if place.startswith("dir:"):
        return FolderStore(Path(place.removeprefix("dir:")), most_bytes)
    # The client is an extra.
    from service.sessions.stores.redis_store import RedisStore

    return RedisStore(place)


async def reached(store: SnapshotStore | None, *, is_asked_for: bool) -> SnapshotStore | None:
    """The store, once it has answered; None where it does not and nobody asked for it.

    Raises InvalidSettings where somebody did.
    """
    if store is None:
        return None
    try:
        await store.get("is it there")
    except StoreUnavailable as failure:
        await store.close()
        if is_asked_for:
            raise InvalidSettings(f"CAROUSEL_SESSION_STORE: {failure.message}") from None
        _logger.warning("sessions end with this process", reason=failure.message)
        return None
    return store
