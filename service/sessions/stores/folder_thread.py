"""A thread for slow files: what is asked for while it works is done together, next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class _Job(NamedTuple):
    work: Callable[[], Any]
    answer: asyncio.Future[Any]


class FolderThread:
    """Works in the order in which it was asked; jobs that wait share one `locked` section and one wake-up."""

    def __init__(self, locked: Callable[[], AbstractContextManager[None]]) -> None:
        self._locked = locked
        self._thread = ThreadPoolExecutor(1, "sessions")
        self._waiting: list[_Job] = []
        self._is_working = False

    async def done(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """What the work returns or raises; it is done also where the caller has left."""
        loop = asyncio.get_running_loop()
        job = _Job(lambda: work(*args, **kwargs), loop.create_future())
        self._waiting.append(job)
        self._begin(loop)
        answer: _T = await job.answer
        return answer

    async def close(self) -> None:
        await asyncio.to_thread(self._thread.shutdown)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._waiting and not self._is_working:
            jobs, self._waiting, self._is_working = self._waiting, [], True
            self._thread.submit(self._work, loop, jobs)

    def _work(self, loop: asyncio.AbstractEventLoop, jobs: list[_Job]) -> None:
        outcomes: list[Any] = []
        try:
            with self._locked():
                outcomes.extend(_outcome(job) for job in jobs)
        except Exception as failure:  # noqa: BLE001 - the folder cannot be locked, and each caller is told
            outcomes = [failure] * len(jobs)
        loop.call_soon_threadsafe(self._answer, loop, jobs, outcomes)

    def _answer(self, loop: asyncio.AbstractEventLoop, jobs: list[_Job], outcomes: list[Any]) -> None:
        self._is_working = False
        self._begin(loop)
        for job, outcome in zip(jobs, outcomes, strict=True):
            if job.answer.done():
                continue
            if isinstance(outcome, Exception):
                job.answer.set_exception(outcome)
            else:
                job.answer.set_result(outcome)


def _outcome(job: _Job) -> Any:
    try:
        return job.work()
    except Exception as failure:  # noqa: BLE001 - the caller's, as it is
        return failure
