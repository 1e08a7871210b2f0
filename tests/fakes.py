"""Fakes: an engine whose every number can be foretold, and a clock whose hands a test turns."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from service.backends.cut_batch import run_cut
from service.backends.engine_thread import Outcome, judged
from service.backends.pieces import Pieces
from service.backends.protocol import Artifact, Capability
from service.domain.batches import Batch, BatchResult
from service.domain.clock import LoopClock
from service.domain.signature import Readout, Signature, StateSpec
from service.domain.tensors import Array, Datatype

_WEIGHTS = np.array([1.0, 3.0])
_LONGEST_WAIT_S = 20.0


def running_sum_signature(readout: Readout = Readout.LAST, symbols: int | None = None) -> Signature:
    """Steps of two numbers, or of one symbol; one state `[steps seen, sum]`."""
    return Signature(
        step_datatype=Datatype.INT32 if symbols else Datatype.FP32,
        step_shape=() if symbols else (2,),
        output_shape=(2,),
        readout=readout,
        states=(StateSpec("sum_in", "sum_out", (2,)),),
        symbol_count=symbols,
    )


def running_sum(sequence: Array, state: Array | None = None) -> Array:
    """`[steps seen, sum of step number x step]` after every step; exact for small whole numbers."""
    seen, total = (0.0, 0.0) if state is None else state.tolist()
    values = sequence @ _WEIGHTS if sequence.ndim == 2 else sequence.astype(np.float64)
    numbers = seen + 1 + np.arange(len(sequence))
    return np.stack([numbers, total + np.cumsum(numbers * values)], axis=1).astype(np.float32)


class RunningSumBackend:
    """A row's output depends on every step, on their order, on its length and on its state.

    So a step too many or too few, a neighbour's step or a forgotten state changes a number. Past a row's
    length the output is NaN. A sequence's first value is its name: `fails_on` and `nan_on` hold names.
    """

    def __init__(self, readout: Readout = Readout.LAST, symbols: int | None = None) -> None:
        self.signature = running_sum_signature(readout, symbols)
        self.batches: list[Array] = []
        self.names: list[list[float]] = []
        self.succeeded: list[bool] = []
        self.fails_on: set[float] = set()
        self.nan_on: set[float] = set()
        self.failed_alone: set[float] = set()
        self.failures_left = 0
        self.is_closed = False
        self.can_break, self.in_flight = False, 1
        self.entered = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()

    @property
    def capability(self) -> Capability:
        return Capability(device="fake", in_flight=self.in_flight, can_break=self.can_break)

    def load(self, artifact: Artifact) -> None:
        """Nothing to load."""

    def close(self) -> None:
        self.is_closed = True

    def run(self, batch: Batch) -> BatchResult:
        names = batch.sequence[0].reshape(batch.rows, -1)[:, 0].tolist()
        self.batches.append(batch.lengths.copy())
        self.names.append(names)
        self.succeeded.append(False)
        self.entered.release()
        assert self.gate.wait(_LONGEST_WAIT_S), "nobody opened the gate"
        self._fail_if_told(names)
        self.succeeded[-1] = True
        rows = [
            running_sum(batch.sequence[:steps, row], batch.states[0][row])
            for row, steps in enumerate(batch.lengths.tolist())
        ]
        states = np.stack([row[-1] for row in rows])
        return BatchResult(self._output(rows, names, batch.padded_steps), (states,), "fake", 0.001)

    def _output(self, rows: list[Array], names: list[float], padded_steps: int) -> Array:
        rows = [
            row * np.float32(np.nan) if name in self.nan_on else row
            for row, name in zip(rows, names, strict=True)
        ]
        if not self.signature.has_step_outputs:
            return np.stack([row[-1] for row in rows])
        output = np.full((padded_steps, len(rows), 2), np.nan, dtype=np.float32)
        for index, row in enumerate(rows):
            output[: len(row), index] = row
        return output

    def _fail_if_told(self, names: list[float]) -> None:
        is_due = self.failures_left > 0
        self.failures_left -= is_due
        if is_due or self.fails_on & set(names):
            if len(names) == 1:
                self.failed_alone.add(names[0])
            raise RuntimeError("the device is on fire")


class HandEngine:
    """An engine that runs a batch when the test says so, and reads its buffers only then.

    One with breaks is run a piece at a time.
    """

    def __init__(self, backend: RunningSumBackend) -> None:
        self._backend = backend
        self._pieces: Pieces | None = None
        self._jobs: deque[tuple[Batch, Callable[[Outcome], None]]] = deque()

    @property
    def capability(self) -> Capability:
        return self._backend.capability

    @property
    def pending(self) -> int:
        return len(self._jobs)

    def submit(self, batch: Batch, on_outcome: Callable[[Outcome], None]) -> None:
        self._jobs.append((batch, on_outcome))

    def step(self) -> None:
        """Run the oldest batch, or its next piece, and report its outcome where that was all."""
        batch, on_outcome = self._jobs[0]
        try:
            result = self._ran(batch)
            if result is None:
                return
            outcome: Outcome = judged(result, self.capability.engine)
        except RuntimeError as failure:
            outcome = failure
        self._jobs.popleft()
        on_outcome(outcome)

    def _ran(self, batch: Batch) -> BatchResult | None:
        """None where there are pieces to come."""
        if batch.cuts is not None:
            return run_cut(self._backend.run, batch, batch.cuts)
        if batch.breaks is None:
            return self._backend.run(batch)
        if self._pieces is None:
            self._pieces = Pieces(self._backend.run, batch, batch.breaks)
        else:
            self._pieces.run_next()
        if not self._pieces.is_over:
            return None
        pieces, self._pieces = self._pieces, None
        return pieces.result()


class ManualTimer:
    """What `call_at` gives back."""

    def __init__(self, when_s: float, callback: Callable[[], None]) -> None:
        self.when_s = when_s
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class ManualClock:
    """Stands still until told to advance."""

    def __init__(self) -> None:
        self._now_s = 100.0
        self._timers: list[ManualTimer] = []

    def now(self) -> float:
        return self._now_s

    def call_at(self, when_s: float, callback: Callable[[], None]) -> ManualTimer:
        timer = ManualTimer(when_s, callback)
        self._timers.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        """Turn the hands and call what falls due, in order."""
        self._now_s += seconds
        due = sorted((timer for timer in self._timers if timer.when_s <= self._now_s), key=lambda t: t.when_s)
        self._timers = [timer for timer in self._timers if timer.when_s > self._now_s]
        for timer in due:
            if timer.callback is not None:
                timer.callback()


class HurriedClock(LoopClock):
    """Real time, and what a test skips of it."""

    def __init__(self) -> None:
        self.skipped_s = 0.0

    def now(self) -> float:
        return time.perf_counter() + self.skipped_s
