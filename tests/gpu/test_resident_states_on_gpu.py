"""States that stay on a real GPU: the same numbers as states that are carried."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from on_gpu import OnGpu, assert_same, bundle, gpu
from prometheus_client import CollectorRegistry

from service.backends.cuda_rows import compiled
from service.backends.device_table import StateRoom
from service.backends.engine_thread import EngineThread
from service.backends.fallback import FallbackEngine
from service.batching.cost_model import EngineCosts
from service.batching.partition import BatchLimits
from service.batching.queue_rules import QueueBounds
from service.batching.step_batcher import StepBatcher
from service.batching.ticket import Ticket
from service.domain.batches import Batch, BatchResult
from service.domain.clock import LoopClock
from service.domain.device_states import DeviceStates, ResidentState
from service.domain.replay import Replay
from service.domain.tensors import Array
from service.telemetry.metrics import Metrics

pytestmark = pytest.mark.gpu

CAUSAL = ["moby/1", "digits/1"]
ROOM = StateRoom(rows=512, size=1 << 28)
LENGTHS = ([1] * 8, [3, 16, 1], [16] * 8, [40, 9, 7, 1, 1], [1], [5, 5])


def named(on_gpu: OnGpu, states: list[ResidentState], batch: Batch, *, returns_states: bool) -> Batch:
    """The batch with states that stay on the device in place of those it carries."""
    table = on_gpu.backend.capability.table
    has_steps = bundle(on_gpu.name).artifact.signature.has_step_outputs
    targets = tuple(table.take() for _ in states)
    where = DeviceStates(table, tuple(states), targets, has_steps, returns_states)
    return Batch(batch.sequence, batch.lengths, device_states=where)


def after(batch: Batch) -> list[ResidentState]:
    states = batch.device_states
    return [
        before.after(batch.sequence[:steps, row].copy(), states.targets[row], 0.0)
        for row, (before, steps) in enumerate(zip(states.before, batch.lengths.tolist(), strict=True))
    ]


def own_outputs(on_gpu: OnGpu, result: BatchResult, batch: Batch) -> Array:
    """Every row's outputs of its own steps, one after the other: what lies past them is nobody's."""
    if not bundle(on_gpu.name).artifact.signature.has_step_outputs:
        return result.output
    rows = enumerate(batch.lengths.tolist())
    return np.concatenate([result.output[:steps, row] for row, steps in rows])


def fresh(on_gpu: OnGpu) -> ResidentState:
    states = bundle(on_gpu.name).artifact.signature.states
    return ResidentState(tuple(np.zeros(state.shape, np.float32) for state in states), is_fresh=True)


def test_the_kernels_compile_for_this_gpu():
    major, minor = gpu().compute_capability
    assert compiled(f"sm_{major}{minor}")


@pytest.mark.parametrize("name", CAUSAL)
@pytest.mark.parametrize("captures", [True, False])
def test_states_in_the_table_are_those_that_are_carried(name, captures):
    with OnGpu(name, captures=captures, room=ROOM) as on_gpu:
        assert on_gpu.backend.capability.table is not None
        for lengths in LENGTHS:
            states = [fresh(on_gpu)] * len(lengths)
            carried = on_gpu.batch(lengths).states
            for seed in range(4):
                batch = on_gpu.batch(lengths, seed)
                due = on_gpu.backend.run(Batch(batch.sequence, batch.lengths, carried))
                mine = named(on_gpu, states, batch, returns_states=seed == 2)
                found = on_gpu.backend.run(mine)
                mine_output, due_output = (own_outputs(on_gpu, one, batch) for one in (found, due))
                assert_same(name, mine_output, due_output)
                carried, states = due.states, after(mine)
            nobody = np.zeros(0, np.int32)
            wanted = DeviceStates(on_gpu.backend.capability.table, (), (), False, read=tuple(states))
            read = on_gpu.backend.run(Batch(batch.sequence[:0, :0], nobody, device_states=wanted)).read
            for theirs, ours in zip(carried, read, strict=True):
                assert_same(name, ours, theirs)


@pytest.mark.parametrize("name", CAUSAL)
def test_the_cpu_makes_again_what_the_device_held(name):
    with OnGpu(name, room=ROOM) as on_gpu:
        states = [fresh(on_gpu)] * 3
        for seed in range(3):
            batch = named(on_gpu, states, on_gpu.batch([3, 16, 1], seed), returns_states=False)
            found = on_gpu.backend.run(batch)
            replay = Replay(batch, batch.device_states)
            again = replay.result(on_gpu.cpu.run(replay.batch))
            mine, theirs = (own_outputs(on_gpu, one, batch) for one in (found, again))
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=2e-4)
            states = after(batch)


@pytest.mark.parametrize("name", CAUSAL)
def test_sequences_ride_in_ticks_as_they_run_whole(name):
    async def scenario(on_gpu: OnGpu) -> None:
        loop = asyncio.get_running_loop()
        engine = EngineThread(on_gpu.backend, "gpu", loop)
        engine.start()
        metrics = Metrics(CollectorRegistry()).for_model(name, "1")
        engines = FallbackEngine(engine, LoopClock(), metrics.engines)
        signature = bundle(name).artifact.signature
        batcher = StepBatcher(
            signature,
            engines,
            EngineCosts(lambda: "tensorrt"),
            lambda: BatchLimits(4, 24),
            QueueBounds(1 << 20, 1 << 30),
            LoopClock(),
            metrics,
        )
        whole = on_gpu.batch([40, 9, 100, 1, 64, 33])
        tickets = [
            Ticket(whole.sequence[:steps, row].copy(), None, loop.create_future(), 0.0)
            for row, steps in enumerate(whole.lengths.tolist())
        ]
        batcher.submit(tickets)
        answers = [await asyncio.wait_for(ticket.future, 60) for ticket in tickets]
        due = on_gpu.cpu.run(whole)
        for row, (answer, steps) in enumerate(zip(answers, whole.lengths.tolist(), strict=True)):
            mine = due.output[:steps, row] if signature.has_step_outputs else due.output[row]
            np.testing.assert_allclose(answer.output, mine, rtol=0, atol=2e-4)
        # Behind all that ran: whatever it named is nobody's by then.
        ended = loop.create_future()
        engine.submit(on_gpu.batch([1]), ended.set_result)
        await asyncio.wait_for(ended, 60)
        assert on_gpu.backend.capability.table.in_use == 0
        await engines.stop()

    with OnGpu(name, room=ROOM) as on_gpu:
        asyncio.run(scenario(on_gpu))
