"""An engine whose faults a test plans: it fails, stalls, runs out of memory or lies when told to."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from fakes import RunningSumBackend

from service.backends.engine_thread import OnOutcome, Outcome, judged
from service.backends.protocol import Capability
from service.domain.batches import Batch, BatchResult
from service.domain.signature import Readout
from service.errors import EngineFailed, EngineOutOfMemory

Fault = Callable[["FaultyEngine", Batch, OnOutcome], None]


class FaultyEngine:
    """Computes running sums, but for the faults planned for its next batches (None: no fault).

    At once, or, where it is stepped, when the test says so.
    """

    def __init__(
        self, name: str, device: str, readout: Readout = Readout.LAST, is_stepped: bool = False
    ) -> None:
        self.is_stepped = is_stepped
        self.inbox: deque[tuple[Batch, OnOutcome]] = deque()
        self.backend = RunningSumBackend(readout)
        self.capability = Capability(device=device, engine=name)
        self.plan: deque[Fault | None] = deque()
        self.is_dead = False
        self.hanging: list[Callable[[], None]] = []
        self.most_rows = 1 << 30
        self.rows_run: list[int] = []
        self.is_stopped = False

    def submit(self, batch: Batch, on_outcome: OnOutcome) -> None:
        self.inbox.append((batch, on_outcome))
        if not self.is_stepped:
            self.step()

    def step(self) -> None:
        """Take up the oldest batch."""
        batch, on_outcome = self.inbox.popleft()
        fault = self.plan.popleft() if self.plan else None
        if self.is_dead:
            on_outcome(EngineFailed("the device is gone"))
        elif fault is not None:
            fault(self, batch, on_outcome)
        else:
            on_outcome(self.run(batch))

    def run(self, batch: Batch) -> Outcome:
        self.rows_run.append(batch.rows)
        if batch.rows > self.most_rows:
            return EngineOutOfMemory(f"{batch.rows} rows do not fit")
        result = replace(self.backend.run(batch), device=self.capability.device)
        return judged(result, self.capability.engine)

    async def stop(self) -> None:
        self.is_stopped = True


def fails(engine: FaultyEngine, batch: Batch, on_outcome: OnOutcome) -> None:
    on_outcome(EngineFailed("an illegal memory access"))


def hangs(engine: FaultyEngine, batch: Batch, on_outcome: OnOutcome) -> None:
    """Nothing comes back until the test lets it."""
    engine.hanging.append(lambda: on_outcome(engine.run(batch)))


def poisons(engine: FaultyEngine, batch: Batch, on_outcome: OnOutcome) -> None:
    """One row's answer is not a number."""
    outcome = engine.run(batch)
    if not isinstance(outcome, BatchResult):
        on_outcome(outcome)
        return
    output = outcome.output.copy()
    # Where every step has an output, the first: the others may lie past a row's length.
    output[0, -1] = np.nan
    on_outcome(judged(replace(outcome, output=output), engine.capability.engine))
