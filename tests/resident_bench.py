"""Sessions and finite sequences on a carousel whose states stay on a fake GPU, with a CPU that stands in."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from functools import partial

import numpy as np
from engines import STALL_S, batch_of
from fake_gpu import Device
from fakes import ManualClock, RunningSumBackend, running_sum
from prometheus_client import CollectorRegistry

from service.backends.canary import Canary
from service.backends.cuda import Event
from service.backends.device_table import StateRoom
from service.backends.engine_thread import EngineThread
from service.backends.fallback import FallbackEngine
from service.backends.guarded_engine import GuardedEngine
from service.batching.cost_model import EngineCosts
from service.batching.partition import BatchLimits
from service.batching.queue_rules import QueueBounds
from service.batching.step_batcher import StepBatcher
from service.batching.ticket import Ticket
from service.domain.signature import Readout
from service.domain.tensors import Array
from service.sessions.session import Session, SessionLimits
from service.sessions.sessions import Sessions
from service.sessions.snapshot import Origin
from service.telemetry.metrics import Metrics

_LONGEST_WAIT_S = 10.0


class GatedDevice(Device):
    """Whose GPU answers nobody while the gate is closed; it then calls `on_hang`, on its own thread."""

    def __init__(self, readout: Readout, room: StateRoom, on_hang: Callable[[], object]) -> None:
        super().__init__(readout=readout, seed=1, room=room)
        self.gate = threading.Event()
        self.gate.set()
        wait_for = self.cuda.wait_for

        def wait_at_the_gate(event: Event) -> None:
            if not self.gate.is_set():
                on_hang()
            assert self.gate.wait(_LONGEST_WAIT_S), "nobody opened the gate"
            wait_for(event)

        self.cuda.wait_for = wait_at_the_gate


class ResidentBench:
    """Moved by awaiting what it is asked; `due` is each session's running sum."""

    def __init__(
        self,
        readout: Readout = Readout.EVERY_STEP,
        rows: int = 64,
        limits: BatchLimits = BatchLimits(4, 40),  # noqa: B008 - frozen
    ) -> None:
        loop = asyncio.get_running_loop()
        self.readout = readout
        self.clock = ManualClock()
        # Who waits for what hangs need not wait: the time after which it is given up has passed.
        gives_up = partial(loop.call_soon_threadsafe, self.clock.advance, STALL_S)
        self.device = GatedDevice(readout, StateRoom(rows, 1 << 20), gives_up).loaded()
        self.registry = CollectorRegistry()
        metrics = Metrics(self.registry).for_model("sums", "1")
        self.gpu = EngineThread(self.device.backend, "gpu", loop)
        self.cpu = EngineThread(RunningSumBackend(readout), "cpu", loop)
        self.gpu.start()
        self.cpu.start()
        self.engines = FallbackEngine(self.cpu, self.clock, metrics.engines)
        self.guarded = GuardedEngine(self.gpu, self.device.signature, self._canary(), self.clock, STALL_S)
        self.engines.join(self.guarded, 0)
        costs = EngineCosts(lambda: self.engines.capability.engine)
        bounds = QueueBounds(1 << 20, 1 << 30)
        self.batcher = StepBatcher(
            self.device.signature, self.engines, costs, lambda: limits, bounds, self.clock, metrics
        )
        self.batcher.show_states()
        self.sessions = Sessions(
            self.batcher.slots,
            SessionLimits(max_sessions=100, max_bytes=1 << 20, idle_s=1e9, ttl_s=1e9),
            self.clock,
            metrics.sessions,
            Origin("sums", "1", "f" * 64, self.device.signature),
            lambda: 1e9 + self.clock.now(),
        )
        self.due: dict[str, Array] = {}
        self._number = 0

    def _canary(self) -> Canary:
        batch = batch_of(3)
        every_step = running_sum(batch.sequence[:, 0])
        due = every_step[:, None] if self.readout is Readout.EVERY_STEP else every_step[-1:]
        return Canary(batch, due, 1e-6)

    def steps(self, count: int) -> Array:
        self._number += 1
        return np.random.default_rng(self._number).integers(-4, 5, size=(count, 2)).astype(np.float32)

    def open(self, identity: str) -> Session:
        self.due[identity] = np.zeros(2, np.float32)
        return self.sessions.open(identity)

    async def step(self, identity: str, count: int) -> None:
        """A session's next steps; AssertionError where it is not answered as the whole sequence would be."""
        sequence, session = self.steps(count), self.sessions.find(identity)

        async def run(slots):
            tickets = [self._ticket(sequence, slot=slot) for slot in slots]
            self.batcher.submit(tickets)
            return [await ticket.future for ticket in tickets]

        _, (answer,) = await self.sessions.step(session, None, run, count)
        due = running_sum(sequence, self.due[identity])
        self._check(answer.output, due)
        self.due[identity] = due[-1]

    async def finite(self, count: int) -> None:
        ticket = self._ticket(self.steps(count))
        self.batcher.submit([ticket])
        answer = await ticket.future
        self._check(answer.output, running_sum(ticket.sequence))
        assert answer.resident is None

    async def given_up(self, count: int) -> None:
        """A sequence whose caller leaves after its first ticks."""
        ticket = self._ticket(self.steps(count))
        self.batcher.submit([ticket])
        await all_due()
        ticket.future.cancel()

    async def snapshot(self, identity: str) -> None:
        snapshot = await self.sessions.snapshot(self.sessions.find(identity))
        np.testing.assert_array_equal(snapshot.states["sum_in"], [self.due[identity]])

    async def done(self, *asked: Awaitable[None]) -> None:
        """Wait for all of them."""
        await asyncio.wait_for(asyncio.gather(*asked), _LONGEST_WAIT_S)

    async def settled(self) -> None:
        """Whatever the GPU was given has come back."""
        for engine in (self.gpu, self.cpu):
            ended = asyncio.get_running_loop().create_future()
            engine.submit(batch_of(3), ended.set_result)
            await asyncio.wait_for(ended, _LONGEST_WAIT_S)

    async def heal(self) -> None:
        """What hangs ends, and the GPU is probed."""
        self.device.gate.set()
        await self.settled()
        self.clock.advance(70.0)
        await self.settled()

    async def leave(self) -> None:
        """Everybody has left: nobody's row is kept, on no tier."""
        self.sessions.close_all("closed")
        await self.batcher.stop()
        await self.heal()
        # For an engine that breaks a rule another would have answered.
        assert self.device.cuda.rules.broken == []
        # A failure that a test keeps keeps the frames it was raised in.
        self.device.cuda.fails_at = {}
        table = self.device.backend.capability.table
        assert self.batcher.slots.in_use == 0
        assert not self.batcher.slots.resident
        if table is not None:
            assert table.in_use == 0
        await self.engines.stop()

    def moved(self, kind: str) -> float:
        labels = {"model": "sums", "version": "1", "kind": kind}
        return self.registry.get_sample_value("carousel_state_moves_total", labels) or 0.0

    def bytes_in(self, tier: str) -> float:
        labels = {"model": "sums", "version": "1", "tier": tier}
        return self.registry.get_sample_value("carousel_state_bytes", labels) or 0.0

    def _ticket(self, sequence: Array, **fields: object) -> Ticket:
        future = asyncio.get_running_loop().create_future()
        return Ticket(sequence, None, future, self.clock.now(), **fields)

    def _check(self, output: Array, every_step: Array) -> None:
        has_steps = self.readout is Readout.EVERY_STEP
        np.testing.assert_array_equal(output, every_step if has_steps else every_step[-1])


async def all_due() -> None:
    """Let the event loop run what is due, and what that makes due."""
    for _ in range(4):
        await asyncio.sleep(0)
