"""Work on models that ends with the server, not with who asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from service.errors import Unavailable


class Operations:
    """What is being loaded and unloaded just now."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_closing = False

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def done(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for work, which goes on where the caller leaves; raises Unavailable where the server does."""
        if not self.is_closing:
            task = self.begin(work)
            # Where nobody waits any more, nobody asks how it ended either: the log has what failed.
            task.add_done_callback(_asked_how_it_ended)
            await asyncio.wait([task])
            if not task.cancelled():
                return task.result()
        work.close()
        raise Unavailable("the server is draining: it loads and unloads no more")

    def cancel(self) -> None:
        """End what runs, and begin nothing more for those who ask."""
        self.is_closing = True
        for task in self._tasks:
            task.cancel()

    async def all_ended(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)


def _asked_how_it_ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()
