"""Models that wait for the GPU's engines: one after the other, and each may withdraw."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from service.backends.daemon_call import called_on_a_daemon
from service.domain.clock import Clock
from service.repository.acceleration import Accelerator, EngineSource
from service.repository.served_model import ServedModel

_logger = structlog.get_logger()


class AccelerationQueue:
    """Brings faster engines to models while these serve; nothing here ever fails a model.

    `find_sources` says what this machine has; it blocks, and is asked once, when the first model comes.
    """

    def __init__(
        self, find_sources: Callable[[], Sequence[EngineSource]], clock: Clock, stall_s: float
    ) -> None:
        self._find_sources = find_sources
        self._clock = clock
        self._stall_s = stall_s
        self._sources: Sequence[EngineSource] | None = None
        self._may_begin = asyncio.Event()
        self._turn = asyncio.Lock()
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def begin(self) -> None:
        """From now on; before, the machine is busy enough with what has to serve first."""
        self._may_begin.set()

    def add(self, model: ServedModel) -> asyncio.Task[None]:
        """Queue a model; the task ends when it has the engines that it can have."""
        key = id(model)
        task = asyncio.create_task(self._accelerate(model))
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._tasks.pop(key, None))
        return task

    async def withdraw(self, model: ServedModel) -> None:
        """See to it that no engine comes to a model any more."""
        task = self._tasks.get(id(model))
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _accelerate(self, model: ServedModel) -> None:
        await self._may_begin.wait()
        async with self._turn:
            try:
                if self._sources is None:
                    self._sources = await called_on_a_daemon(self._find_sources)
                await Accelerator(self._sources, self._clock, self._stall_s).accelerate([model])
            except Exception:
                _logger.exception("no GPU engines")
