"""What concerns one session and the store is done in turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakValueDictionary


class Turns:
    """A lock for each key that somebody uses just now, and the tasks that go on when their callers leave."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[None]:
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            yield

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task that somebody refers to until it is done."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def finished(self, work: Coroutine[Any, Any, None]) -> None:
        """Do all of it, also where the caller leaves: half of it must not stay."""
        await asyncio.shield(self.begin(work))

    async def all_ended(self, longest_s: float) -> None:
        """Wait for every task; those that take longer are given up."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=longest_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
