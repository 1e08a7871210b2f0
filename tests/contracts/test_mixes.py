"""The real batcher, engine thread and backend: every answer is PyTorch's for the sequence alone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np
from drawn import examples
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from service.backends.engine_thread import EngineThread
from service.backends.protocol import Backend
from service.batching.cost_model import EngineCosts
from service.batching.partition import BatchLimits
from service.batching.queue_rules import QueueBounds
from service.batching.scheduler import Scheduler
from service.batching.sequence_batcher import SequenceBatcher
from service.batching.step_batcher import StepBatcher
from service.batching.ticket import Ticket
from service.domain.clock import LoopClock
from service.domain.tensors import Array
from service.telemetry.metrics import Metrics


@dataclass(frozen=True)
class Caller:
    """One sequence: how long, where it is cut, when it comes, and when its caller leaves (never: None)."""

    steps: int
    cuts: tuple[int, ...]
    arrives_after: int
    leaves_after: int | None


callers = st.lists(
    st.builds(
        Caller,
        st.one_of(st.integers(1, 5), st.integers(1, 40)),
        st.lists(st.integers(1, 39), max_size=3).map(tuple),
        st.integers(0, 6),
        st.one_of(st.none(), st.none(), st.none(), st.integers(0, 12)),
    ),
    min_size=1,
    max_size=8,
)
limits = st.builds(BatchLimits, st.integers(1, 8), st.integers(20, 400))


class KeptOpen:
    """A backend that outlives the engine thread: the next mix needs it too."""

    def __init__(self, backend: Backend) -> None:
        self.capability = backend.capability
        self.run = backend.run

    def close(self) -> None:
        """Not yet."""


async def turns(count: int) -> None:
    """Let the event loop turn so often."""
    loop = asyncio.get_running_loop()
    for _ in range(count):
        turn = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn


async def ask(batcher: Scheduler, caller: Caller, sequence: Array, is_causal: bool) -> list[Array]:
    """The outputs of the sequence's chunks, each started from the states of the one before."""
    await turns(caller.arrives_after)
    cuts = sorted({cut for cut in caller.cuts if cut < caller.steps}) if is_causal else []
    states, outputs = None, []
    for chunk in np.split(sequence, cuts):
        ticket = Ticket(chunk, states, asyncio.get_running_loop().create_future(), 0.0)
        batcher.submit([ticket])
        result = await ticket.future
        states, outputs = result.states, [*outputs, result.output]
    return outputs


async def leave(task: asyncio.Task[list[Array]], after: int | None) -> None:
    if after is not None:
        await turns(after)
        task.cancel()


async def play(loaded, mix: list[Caller], batch_limits: BatchLimits, seed: int, on_carousel: bool) -> None:
    network, random = loaded.network, np.random.default_rng(seed)
    engine = EngineThread(KeptOpen(loaded.backend), "mix", asyncio.get_running_loop())
    engine.start()
    metrics = Metrics(CollectorRegistry()).for_model("mix", "1")
    bounds = QueueBounds(1000, 1 << 28)
    kind = StepBatcher if on_carousel and network.signature.states else SequenceBatcher
    batcher = kind(
        network.signature,
        engine,
        EngineCosts(lambda: engine.capability.engine),
        lambda: batch_limits,
        bounds,
        LoopClock(),
        metrics,
    )
    sequences = [network.sequence(caller.steps, random) for caller in mix]
    tasks = [
        asyncio.create_task(ask(batcher, caller, sequence, network.signature.is_causal))
        for caller, sequence in zip(mix, sequences, strict=True)
    ]
    leaving = [leave(task, caller.leaves_after) for task, caller in zip(tasks, mix, strict=True)]
    await asyncio.gather(*leaving)
    await asyncio.wait(tasks, timeout=20)
    for caller, sequence, task in zip(mix, sequences, tasks, strict=True):
        assert task.done()
        if task.cancelled():
            assert caller.leaves_after is not None
            continue
        output = np.concatenate(task.result()) if network.signature.has_step_outputs else task.result()[-1]
        due, _ = network.reference(sequence)
        np.testing.assert_allclose(output, due, rtol=0, atol=2e-5 * max(1.0, np.abs(due).max()))
    await batcher.stop()
    await engine.stop()


@given(callers, limits, st.integers(0, 1 << 30), st.booleans())
@examples(24)
def test_every_answer_is_the_lone_answer_whoever_comes_goes_and_is_cut(
    loaded, mix, batch_limits, seed, on_carousel
):
    asyncio.run(play(loaded, mix, batch_limits, seed, on_carousel))
