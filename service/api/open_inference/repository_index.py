"""Which model versions there are, in service or not, and why not."""

from __future__ import annotations

from service.repository.model_states import IndexEntry, State
from service.repository.registry import Registry

_LEAVING = "the server is loading or draining"


def repository_index(registry: Registry, is_ready: bool, only_ready: bool = False) -> list[dict[str, str]]:
    """RepositoryIndex's entries as plain values; `is_ready` is the server's."""
    entries = (entry if is_ready else _unready(entry) for entry in registry.index)
    return [entry._asdict() for entry in entries if entry.state is State.READY or not only_ready]


def _unready(entry: IndexEntry) -> IndexEntry:
    if entry.state is not State.READY:
        return entry
    return entry._replace(state=State.UNAVAILABLE, reason=_LEAVING)
