"""States that stay on a device: whatever becomes of it, every answer is the whole sequence's."""

from __future__ import annotations

import asyncio
import contextlib
import random

from drawn import examples
from hypothesis import given
from hypothesis import strategies as st
from resident_bench import ResidentBench

from service.backends.cuda import CudaContextLost, CudaFailed, CudaOutOfMemory
from service.domain.signature import Readout
from service.errors import SessionGone

NAMES = "abcde"
FAULTS = [*[CudaFailed] * 4, CudaOutOfMemory, CudaContextLost]
EVENTS = ["ask"] * 12 + ["fault"] * 3 + ["hang", "heal", "close", "idle"]


class Traffic(ResidentBench):
    """Random sessions and sequences in random company, on a device with random faults."""

    def __init__(self, drawn: random.Random) -> None:
        super().__init__(drawn.choice(list(Readout)), rows=drawn.choice([2, 6, 64]))
        self.drawn = drawn

    async def play(self) -> None:
        kind = self.drawn.choice(EVENTS)
        if kind == "ask":
            # Each session at most once: its steps are in order, and would wait for each other.
            named = self.drawn.sample(NAMES, self.drawn.randrange(len(NAMES)))
            await self.done(*map(self._asked, [*named, *[""] * self.drawn.randrange(4)]))
        elif kind == "fault":
            failure = self.drawn.choice(FAULTS)("it failed")
            self.device.cuda.fails_at = {self.device.cuda.calls.total() + self.drawn.randint(1, 60): failure}
        elif kind == "hang":
            self.device.gate.clear()
        elif kind == "heal":
            await self.heal()
        elif kind == "close" and (name := self.drawn.choice(NAMES)) in self.sessions:
            self.sessions.close(name)
        elif kind == "idle":
            self.clock.advance(1.5)

    async def _asked(self, name: str) -> None:
        steps = self.drawn.choice([1, 2, 3, self.drawn.randint(4, 90)])
        if not name:
            await self.drawn.choice([self.finite, self.finite, self.given_up])(steps)
            return
        if name not in self.sessions:
            self.open(name)
        if self.drawn.random() < 0.15:
            await self._left_alone(name, steps)
            return
        await (self.snapshot(name) if self.drawn.random() < 0.2 else self.step(name, steps))

    async def _left_alone(self, name: str, steps: int) -> None:
        """A step, or a look at the state, that is cut short: by whoever asked, or by the session's end."""
        asked = asyncio.ensure_future(
            self.step(name, steps) if self.drawn.random() < 0.7 else self.snapshot(name)
        )
        for _ in range(self.drawn.randrange(12)):
            await asyncio.sleep(0)
        if self.drawn.random() < 0.5:
            asked.cancel()
        elif name in self.sessions:
            self.sessions.close(name)
        with contextlib.suppress(asyncio.CancelledError, SessionGone):
            await asked


@examples(100)
@given(st.integers(0, 1 << 32))
def test_whatever_becomes_of_the_device_every_answer_is_the_whole_sequence_s(seed):
    async def scenario() -> None:
        traffic = Traffic(random.Random(seed))
        for _ in range(16):
            await traffic.play()
        await traffic.leave()

    asyncio.run(scenario())
