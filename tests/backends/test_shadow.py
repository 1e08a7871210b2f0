"""Shadow runs: a share of the traffic, on the other device, compared and never handed out."""

from __future__ import annotations

import asyncio

import pytest
from bench import all_due
from engines import Engines, batch_of
from faulty import fails, poisons
from on_a_loop import on_a_loop

from service.backends.shadow import Shadow
from service.domain.batches import Batch
from service.domain.signature import Readout
from service.telemetry.metrics import Metrics


class Shadowed(Engines):
    """Engines under a shadow."""

    def __init__(self, share: float, readout: Readout = Readout.LAST, tolerance: float = 1e-6) -> None:
        super().__init__(readout)
        self.metrics = Metrics(type(self.registry)())
        self.shadow = Shadow(
            self.fallback,
            self.gpu.backend.signature,
            share,
            tolerance,
            self.metrics.for_model("sums", "1").shadow,
        )
        self.fallback.observe(self.shadow)

    async def compared(self) -> None:
        """Until no comparison is under way."""
        await all_due()
        while self.shadow._comparisons:
            await asyncio.gather(*self.shadow._comparisons)
            await all_due()

    def value(self, name: str) -> float:
        labels = {"model": "sums", "version": "1"}
        return self.metrics.registry.get_sample_value(f"carousel_{name}", labels) or 0.0


@on_a_loop
async def test_its_share_of_the_batches_runs_on_the_other_device():
    engines = Shadowed(0.25)
    for _ in range(40):
        assert engines.device_of(batch_of(3, 5)) == "gpu"
        await engines.compared()
    assert len(engines.cpu.rows_run) == 10
    assert engines.value("shadow_error_count") == 20
    assert engines.value("shadow_error_sum") == 0
    assert engines.value("shadow_mismatches_total") == 0


@on_a_loop
async def test_no_share_is_no_shadow():
    engines = Shadowed(0.0)
    for _ in range(10):
        engines.run(batch_of(3))
    assert not engines.cpu.rows_run


@on_a_loop
async def test_a_wrong_answer_is_a_mismatch_and_reaches_nobody():
    engines = Shadowed(1.0)
    engines.cpu.plan.append(poisons)
    assert engines.device_of(batch_of(3, 5)) == "gpu"
    await engines.compared()
    assert engines.value("shadow_mismatches_total") == 1
    assert len(engines.outcomes) == 1


@on_a_loop
async def test_a_shadow_that_fails_is_counted_and_blamed_on_nobody():
    engines = Shadowed(1.0)
    engines.cpu.plan.append(fails)
    assert engines.device_of(batch_of(3)) == "gpu"
    await engines.compared()
    assert engines.value("shadow_failures_total") == 1
    assert not engines.fallback.is_degraded


@on_a_loop
async def test_without_another_device_in_use_nothing_is_run_twice():
    engines = Shadowed(1.0)
    engines.gpu.is_dead = True
    for _ in range(3):
        engines.run(batch_of(2))
        await engines.compared()
    failures = engines.value("shadow_failures_total")
    engines.gpu.is_dead = False
    assert engines.device_of(batch_of(2)) == "cpu"
    await engines.compared()
    assert not engines.gpu.rows_run
    assert engines.value("shadow_failures_total") == failures


@on_a_loop
async def test_one_shadow_at_a_time():
    engines = Shadowed(1.0)
    engines.cpu.is_stepped = True
    for _ in range(5):
        engines.run(batch_of(3))
    assert len(engines.cpu.inbox) == 1
    engines.cpu.step()
    await engines.compared()
    engines.run(batch_of(3))
    assert len(engines.cpu.inbox) == 1


@on_a_loop
async def test_the_batch_is_copied_before_its_memory_is_used_again():
    engines = Shadowed(1.0)
    engines.cpu.is_stepped = True
    batch = batch_of(3, 5)
    engines.run(batch)
    batch.sequence[:] = 99
    batch.states[0][:] = 99
    engines.cpu.step()
    await engines.compared()
    assert engines.value("shadow_error_sum") == 0


@on_a_loop
async def test_the_ratio_is_of_seconds_over_the_same_batches():
    engines = Shadowed(1.0)
    metrics = engines.metrics.for_model("sums", "1").shadow
    metrics.timed("gpu", 0.5, "cpu", 40.0)
    metrics.timed("cpu", 20.0, "gpu", 0.5)
    assert engines.value("speedup_ratio") == pytest.approx(60.0)


@on_a_loop
async def test_a_batch_too_large_for_the_other_engine_is_not_run_there():
    engines = Shadowed(1.0)
    engines.gpu.capability = type(engines.gpu.capability)("gpu", max_rows=2, engine="tensorrt")
    assert engines.device_of(batch_of(1, 2, 3)) == "cpu"
    await engines.compared()
    assert not engines.gpu.rows_run
    assert engines.value("shadow_failures_total") == 0


class TooLarge(Batch):
    """A batch of which there is no room for a copy."""

    def copy(self) -> Batch:
        raise MemoryError


@on_a_loop
async def test_a_copy_that_memory_does_not_suffice_for_ends_no_later_shadow():
    engines = Shadowed(1.0)
    batch = batch_of(3)
    assert engines.device_of(TooLarge(batch.sequence, batch.lengths, batch.states)) == "gpu"
    engines.run(batch)
    await engines.compared()
    assert engines.value("shadow_error_count") == 1


@on_a_loop
async def test_after_a_shadow_that_failed_comes_the_next():
    engines = Shadowed(1.0)
    engines.cpu.plan.append(fails)
    for _ in range(2):
        engines.run(batch_of(3))
        await engines.compared()
    assert engines.value("shadow_error_count") == 1


@on_a_loop
async def test_what_was_owed_while_there_was_nobody_to_ask_is_forgiven():
    engines = Shadowed(0.25)
    engines.gpu.capability = type(engines.gpu.capability)("gpu", max_rows=1, engine="tensorrt")
    for _ in range(40):
        engines.run(batch_of(3, 5))
        await engines.compared()
    for _ in range(8):
        engines.run(batch_of(3))
        await engines.compared()
    assert len(engines.cpu.rows_run) == 40 + 2


@on_a_loop
async def test_a_shadow_run_s_seconds_count_on_both_devices():
    engines = Shadowed(1.0)
    engines.run(batch_of(3))
    await engines.compared()
    assert engines.value("speedup_ratio") == 1.0
