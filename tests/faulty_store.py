"""A store that fails when it is told to, before or after it has done what it was asked for."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from service.errors import StoreUnavailable
from service.sessions.stores.memory import MemoryStore

_CALLS = ("beat", "claim", "renew", "release", "put", "get", "take", "delete")


class FaultyStore(MemoryStore):
    """`faults` are those of the next calls, in order: "before", "after", or none; `calls` counts by name."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.calls: dict[str, int] = dict.fromkeys(_CALLS, 0)
        for name in _CALLS:
            setattr(self, name, self._failing(name, getattr(self, name)))

    def lapse(self) -> None:
        """Nobody has heard of any server for the length of its lease."""
        self._owners.clear()

    def _failing(self, name: str, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @functools.wraps(call)
        async def failing(*args: Any, **options: Any) -> Any:
            self.calls[name] += 1
            fault = self.faults.pop(0) if self.faults else ""
            if fault == "before":
                raise StoreUnavailable("session store: is away")
            done = await call(*args, **options)
            if fault == "after":
                raise StoreUnavailable("session store: its answer was lost")
            return done

        return failing
