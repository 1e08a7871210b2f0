"""A GPU that can fail, a CPU that stands in, and a clock: a FallbackEngine between fakes."""

from __future__ import annotations

import numpy as np
from fakes import ManualClock, running_sum
from faulty import FaultyEngine
from prometheus_client import CollectorRegistry

from service.backends.canary import Canary
from service.backends.engine_thread import Outcome
from service.backends.fallback import FallbackEngine
from service.backends.guarded_engine import GuardedEngine
from service.domain.batches import Batch, BatchResult
from service.domain.signature import Readout
from service.telemetry.metrics import Metrics

STALL_S = 2.0


def batch_of(*lengths: int) -> Batch:
    """Rows of so many steps, each with numbers of its own."""
    sequence = np.zeros((max(lengths), len(lengths), 2), np.float32)
    for row, steps in enumerate(lengths):
        sequence[:steps, row] = np.random.default_rng(row).integers(-4, 5, size=(steps, 2))
    return Batch(sequence, np.array(lengths, np.int32), (np.zeros((len(lengths), 2), np.float32),))


def due_of(batch: Batch) -> np.ndarray:
    """Each row's last output, computed alone."""
    rows = enumerate(batch.lengths.tolist())
    return np.stack([running_sum(batch.sequence[:steps, row])[-1] for row, steps in rows])


class Engines:
    """`gpu` guarded, `cpu` last; outcomes are collected in the order they come."""

    def __init__(self, readout: Readout = Readout.LAST) -> None:
        self.clock = ManualClock()
        self.gpu = FaultyEngine("tensorrt", "gpu", readout)
        self.cpu = FaultyEngine("onnxruntime", "cpu", readout)
        self.registry = CollectorRegistry()
        metrics = Metrics(self.registry).for_model("sums", "1").engines
        self.fallback = FallbackEngine(self.cpu, self.clock, metrics)
        self.changes: list[bool] = []
        self.guarded = self.guard(self.gpu, readout)
        self.fallback.join(self.guarded, 0)
        self.outcomes: list[Outcome] = []

    def guard(self, engine: FaultyEngine, readout: Readout = Readout.LAST) -> GuardedEngine:
        batch = batch_of(3)
        every_step = running_sum(batch.sequence[:, 0])
        due = every_step[:, None] if readout is Readout.EVERY_STEP else every_step[-1:]
        canary = Canary(batch, due, 1e-6)
        return GuardedEngine(
            engine, engine.backend.signature, canary, self.clock, STALL_S, self.changes.append
        )

    def run(self, batch: Batch) -> Outcome | None:
        """The batch's outcome, or None while it hangs."""
        before = len(self.outcomes)
        self.fallback.submit(batch, self.outcomes.append)
        assert len(self.outcomes) <= before + 1
        return self.outcomes[-1] if len(self.outcomes) > before else None

    def device_of(self, batch: Batch) -> str:
        outcome = self.run(batch)
        assert isinstance(outcome, BatchResult)
        np.testing.assert_array_equal(outcome.output, due_of(batch))
        return outcome.device

    def failovers(self, reason: str) -> float:
        labels = {"model": "sums", "version": "1", "from_device": "gpu", "to_device": "cpu", "reason": reason}
        return self.registry.get_sample_value("carousel_failovers_total", labels) or 0.0
