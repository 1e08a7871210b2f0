"""An engine: a backend on its own thread. The only thread hop of a request."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeAlias

import numpy as np

from service.backends.cut_batch import run_cut
from service.backends.pieces import run_in_pieces
from service.backends.protocol import Artifact, Backend, Capability, PipelinedBackend
from service.domain.batches import Batch, BatchResult
from service.domain.replay import Replay

Outcome: TypeAlias = BatchResult | Exception
OnOutcome: TypeAlias = Callable[[Outcome], None]
_Started: TypeAlias = tuple[Callable[[], BatchResult], OnOutcome]

# How long stopping waits for a call that may never return.
_LEAVE_S = 10.0


class Engine(Protocol):
    """What a scheduler knows of an engine: what it takes, and how to give it a batch."""

    @property
    def capability(self) -> Capability: ...

    def submit(self, batch: Batch, on_outcome: OnOutcome) -> None:
        """Run a batch; `on_outcome` is called on the event loop with the result or the failure."""
        ...

    async def stop(self) -> None:
        """Finish what was submitted and release the device."""
        ...


class EngineThread:
    """Runs one backend's batches in order, on one thread, and reports on the event loop."""

    def __init__(self, backend: Backend, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self._backend = backend
        self._pipelined = backend if isinstance(backend, PipelinedBackend) else None
        self._loop = loop
        self._inbox: queue.SimpleQueue[tuple[Batch, OnOutcome] | None] = queue.SimpleQueue()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._work, name=f"engine-{name}", daemon=True)

    @property
    def capability(self) -> Capability:
        return self._backend.capability

    def start(self) -> None:
        self._thread.start()

    def load(self, artifact: Artifact) -> None:
        """Load the model; blocking, before the thread has work."""
        self._backend.load(artifact)

    def submit(self, batch: Batch, on_outcome: OnOutcome) -> None:
        """Run a batch; `on_outcome` is called on the event loop with the result or the failure."""
        self._inbox.put((batch, on_outcome))

    async def stop(self) -> None:
        """Finish what was submitted, close the backend and end the thread; one that hangs is left behind."""
        self._is_stopping = True
        self._inbox.put(None)
        await asyncio.to_thread(self._thread.join, _LEAVE_S)

    def _work(self) -> None:
        """Keep as many batches in flight as the backend takes: the next is copied in while one runs."""
        in_flight: deque[_Started] = deque()
        while (job := self._next(may_wait=not in_flight)) or in_flight:
            if job:
                batch, on_outcome = job
                in_flight.append((self._started(batch), on_outcome))
                # Whoever waits for the next one must not keep the last one's arrays and rows.
                del job, batch, on_outcome
                if len(in_flight) < self._backend.capability.in_flight:
                    continue
            self._finish(*in_flight.popleft())
        # Here and not on the loop: a device takes its time to free what it holds, and may hang in it.
        self._backend.close()

    def _next(self, may_wait: bool) -> tuple[Batch, OnOutcome] | None:
        """The next job; None where none waits, or where there will be none."""
        try:
            return self._inbox.get(block=may_wait and not self._is_stopping)
        except queue.Empty:
            return None

    def _started(self, batch: Batch) -> Callable[[], BatchResult]:
        states = batch.device_states
        if states is None or (states.table is not None and states.table is self._backend.capability.table):
            return self._started_here(batch)
        # Another device's states: made again here, where no other request waits for it.
        try:
            replay = Replay(batch, states)
        except Exception as failure:  # noqa: BLE001 - no room for it, say: reported in this batch's turn
            return _raising(failure)
        finish = self._started_here(replay.batch)
        return lambda: replay.result(finish())

    def _started_here(self, batch: Batch) -> Callable[[], BatchResult]:
        pipelined, breaks, cuts = self._pipelined, batch.breaks, batch.cuts
        if breaks is not None:
            return lambda: run_in_pieces(self._backend.run, batch, breaks)
        if pipelined is None and cuts is not None:
            return lambda: run_cut(self._backend.run, batch, cuts)
        if pipelined is None:
            return lambda: self._backend.run(batch)
        try:
            pending = pipelined.start(batch)
        except Exception as failure:  # noqa: BLE001 - reported in this batch's turn
            return _raising(failure)
        return lambda: pipelined.finish(pending)

    def _finish(self, finish: Callable[[], BatchResult], on_outcome: OnOutcome) -> None:
        try:
            outcome: Outcome = judged(finish(), self.capability.engine)
        except Exception as failure:  # noqa: BLE001 - whatever a runtime raises belongs to this batch alone
            outcome = _without_frames(failure)
        # A call that hung may end after the event loop has: then nobody waits for it.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(on_outcome, outcome)


def judged(result: BatchResult, engine: str) -> BatchResult:
    """Who computed it and whether all of it is finite: looked at here, where no other request waits."""
    return replace(result, engine=engine, is_finite=bool(np.isfinite(result.output).all()))


def _without_frames(failure: Exception) -> Exception:
    """The failure without the calls it came through: they hold arrays, and rows on a device."""
    link: BaseException | None = failure
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return failure


def _raising(failure: Exception) -> Callable[[], BatchResult]:
    def finish() -> BatchResult:
        raise failure

    return finish
