"""An open loop: requests come when they are due, whether or not those before them were answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from load_tests.address import Address
from load_tests.http_connection import HttpConnection, Lost
from load_tests.lengths import SEED
from load_tests.overload.fate import Fate, Kind, Outcome, outcome_of, stated_s

_RETRIED_SHARE = 0.05
# Servers close what lies idle, ours after 10 s what was never used: a request that crosses that is nobody's
# loss, and clients that are built well use no connection for it.
_LONGEST_IDLE_S = 5.0


@dataclass(frozen=True, slots=True)
class Arrivals:
    """A Poisson process of `rate` requests a second for `seconds`, `urgent_share` of them with priority 1."""

    rate: float
    seconds: float
    urgent_share: float
    expected_wait_s: float = 0.0

    def drawn(self) -> Iterator[tuple[float, bool]]:
        """When each is due, from the start, and whether it is urgent; the same in every run."""
        random = np.random.default_rng(SEED)
        due_s = random.exponential(1 / self.rate)
        while due_s < self.seconds:
            yield due_s, bool(random.random() < self.urgent_share)
            due_s += random.exponential(1 / self.rate)


class OpenLoop:
    """`urgent` and `other` are whole requests; further connections are opened as they are needed."""

    def __init__(self, address: Address, urgent: bytes, other: bytes) -> None:
        self._address = address
        self._requests = {Kind.URGENT: urgent, Kind.OTHER: other, Kind.RETRY: other}
        self._idle: list[HttpConnection] = []
        self._fates: list[Fate] = []
        self._random = np.random.default_rng(SEED)

    async def connect(self, connections: int) -> None:
        """Open so many beforehand: thousands of clients that connect at once are another load."""
        for _ in range(connections):
            self._idle.append(await HttpConnection.open(self._address))

    async def run(self, arrivals: Arrivals) -> tuple[float, list[Fate]]:
        """When it began, by time.perf_counter, and what became of every request, retries among them."""
        await self.connect(round(arrivals.rate * arrivals.expected_wait_s))
        started_s = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for after_s, is_urgent in arrivals.drawn():
                due_s = started_s + after_s
                if (early_s := due_s - time.perf_counter()) > 0:
                    await asyncio.sleep(early_s)
                group.create_task(self._live(Kind.URGENT if is_urgent else Kind.OTHER, due_s))
        for connection in self._idle:
            connection.close()
        return started_s, self._fates

    async def _live(self, kind: Kind, due_s: float) -> None:
        fate = await self._ask(kind, due_s)
        if fate.is_refused and kind is Kind.OTHER and self._random.random() < _RETRIED_SHARE:
            back_s = fate.ended_s + fate.stated_s
            await asyncio.sleep(max(0.0, back_s - time.perf_counter()))
            await self._ask(Kind.RETRY, back_s)

    async def _ask(self, kind: Kind, due_s: float) -> Fate:
        connection = await self._connection()
        sent_s = time.perf_counter()
        try:
            answer = await connection.ask(self._requests[kind])
        except Lost:
            fate = Fate(kind, Outcome.LOST, due_s, sent_s, time.perf_counter())
        else:
            self._idle.append(connection)
            fate = Fate(kind, outcome_of(answer), due_s, sent_s, time.perf_counter(), stated_s(answer))
        self._fates.append(fate)
        return fate

    async def _connection(self) -> HttpConnection:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and time.perf_counter() - connection.idle_since_s < _LONGEST_IDLE_S:
                return connection
            connection.close()
        return await HttpConnection.open(self._address)
