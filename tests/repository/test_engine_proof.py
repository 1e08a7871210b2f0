"""What an engine has to show before it serves: every golden vector, the canary, and how long it takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes import RunningSumBackend, running_sum
from memory_server import MemoryServer
from on_a_loop import on_a_loop

from service.backends.protocol import Backend, Capability
from service.domain.batches import Batch, BatchResult
from service.repository.acceleration import Accelerator
from service.repository.golden import GoldenVectors
from service.repository.scanner import Bundle
from service.telemetry.metrics import EngineState

LABELS = {"model": "sums", "version": "1", "engine": "tensorrt"}


class ForgetfulBackend(RunningSumBackend):
    """Right up to so many steps, and wrong beyond."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._steps = steps

    @property
    def capability(self) -> Capability:
        return Capability("gpu", engine="tensorrt")

    def run(self, batch: Batch) -> BatchResult:
        result = super().run(batch)
        if batch.padded_steps > self._steps:
            result = replace(result, output=result.output + 1)
        return replace(result, device="gpu")


class Source:
    name = "tensorrt"

    def __init__(self, steps: int) -> None:
        self.backend = ForgetfulBackend(steps)

    def tolerance(self, bundle: Bundle) -> float:
        return 1e-3

    async def prepare(self, bundle: Bundle) -> None:
        """Nothing to prepare."""

    def load(self, bundle: Bundle) -> Backend:
        return self.backend


@pytest.mark.parametrize(("steps", "is_served"), [(8, False), (9, True)])
@on_a_loop
async def test_one_golden_vector_that_is_off_keeps_an_engine_out(steps, is_served):
    async with MemoryServer() as server:
        sequences = tuple(np.ones((count, 2), np.float32) for count in (4, 9))
        golden = GoldenVectors(sequences, tuple(running_sum(sequence)[-1] for sequence in sequences))
        model = replace(server.carousel.registry.find("sums"), golden=golden)
        source = Source(steps)
        await Accelerator([source], server.clock, stall_s=5.0).accelerate([model])
        assert ("tensorrt" in model.engines.engines) == is_served
        states = [state for state in EngineState if server.metric("engine_state", **LABELS, state=state)]
        assert states == [EngineState.IN_USE if is_served else EngineState.REFUSED]
        if not is_served:
            assert "golden vector 1 on gpu is off by 1" in model.refused_engines["tensorrt"]
            assert source.backend.is_closed


@on_a_loop
async def test_an_engine_s_first_batches_are_planned_with_what_it_was_measured_to_take():
    async with MemoryServer() as server:
        model = server.carousel.registry.find("sums")
        await Accelerator([Source(1000)], server.clock, stall_s=5.0).accelerate([model])
        assert model.costs.current() is model.costs.of("tensorrt")
        assert model.costs.current()._calibration
