"""Sessions on their way into a store and out of it: once, or not at all."""

from __future__ import annotations

import asyncio
import dataclasses
import time

import numpy as np
import pytest
from fakes import running_sum
from on_a_loop import on_a_loop
from prometheus_client import CollectorRegistry
from session_bench import ROOMY, SessionBench

from service.errors import NotFound, SnapshotMismatch, StoreFull, StoreUnavailable, TooManySessions
from service.sessions.persistence import Persistence
from service.sessions.session import SessionLimits
from service.sessions.stores.memory import MemoryStore
from service.telemetry.metrics import Metrics, SaveMetrics


def persistence_of(store, longest_save_s=10.0):
    registry = CollectorRegistry()
    persistence = Persistence(store, SaveMetrics(Metrics(registry)), longest_save_s=longest_save_s)
    return persistence, lambda operation: registry.get_sample_value(
        "carousel_session_store_failures_total", {"operation": operation}
    )


def bench_of(limits=ROOMY):
    bench = SessionBench(limits)
    # The store forgets by the time of day.
    bench.sessions._unix_now = time.time
    return bench


async def saved(store) -> np.ndarray:
    """A stream of twelve steps, of which a server that has ended ran the first five."""
    bench, (persistence, _) = bench_of(), persistence_of(store)
    whole = bench.steps(12)
    await bench.answers(bench.sessions.open("talk"), whole[:5])
    await persistence.save([bench.sessions])
    return whole


@on_a_loop
async def test_who_asks_at_the_same_time_and_leaves_goes_on_with_one_session():
    store = MemoryStore()
    whole = await saved(store)
    bench, (persistence, _) = bench_of(), persistence_of(store)
    asked = [asyncio.create_task(persistence.resume(bench.sessions, "talk")) for _ in range(3)]
    await asyncio.sleep(0)
    asked[0].cancel()
    await asyncio.wait(asked)
    assert [task.cancelled() for task in asked] == [True, False, False]
    _, answers = await bench.answers(bench.sessions.find("talk"), whole[5:], number=2)
    np.testing.assert_array_equal(answers[0].output, running_sum(whole)[5:])
    assert [key async for key in store.ids()] == []


@on_a_loop
async def test_two_servers_go_on_with_one_session_once():
    store = MemoryStore()
    await saved(store)
    servers = [(bench_of(), persistence_of(store)[0]) for _ in range(2)]
    await asyncio.gather(
        *(persistence.resume(bench.sessions, "talk") for bench, persistence in servers),
        return_exceptions=True,
    )
    assert sum("talk" in bench.sessions for bench, _ in servers) == 1


@on_a_loop
async def test_a_session_that_cannot_go_on_here_still_waits():
    store = MemoryStore()
    await saved(store)
    full = bench_of(SessionLimits(0, 1 << 20, 60.0, 600.0))
    other = bench_of()
    other.sessions.origin = dataclasses.replace(other.sessions.origin, fingerprint="a" * 64)
    for bench, refusal in ((full, TooManySessions), (other, SnapshotMismatch)):
        with pytest.raises(refusal):
            await persistence_of(store)[0].resume(bench.sessions, "talk")
        assert bench.batcher.slots.in_use == 0
    good = bench_of()
    await persistence_of(store)[0].resume(good.sessions, "talk")
    assert good.sessions.find("talk").step == 1


@on_a_loop
async def test_a_session_that_has_ended_here_is_not_looked_for():
    store = MemoryStore()
    bench, (persistence, _) = bench_of(), persistence_of(store)
    bench.sessions.open("talk")
    bench.sessions.close("talk")
    await saved(store)
    await persistence.resume(bench.sessions, "talk")
    assert "talk" not in bench.sessions
    await persistence.resume(bench.sessions, "never")
    with pytest.raises(NotFound):
        bench.sessions.find("never")


class Broken(MemoryStore):
    """Takes nothing in, or does not answer at all."""

    def __init__(self, *, is_silent: bool) -> None:
        super().__init__()
        self._is_silent = is_silent

    async def put(self, *args, **options) -> None:
        if self._is_silent:
            await asyncio.Event().wait()
        raise StoreFull("session store: is full")

    async def get(self, session_id: str) -> bytes | None:
        raise StoreUnavailable("session store: is away")


@pytest.mark.parametrize("is_silent", [True, False])
@on_a_loop
async def test_a_store_that_fails_holds_nobody_up_and_is_counted(is_silent):
    bench = bench_of()
    persistence, failures = persistence_of(Broken(is_silent=is_silent), longest_save_s=0.05)
    for name in ("a", "b"):
        await bench.answers(bench.sessions.open(name), bench.steps(1))
    await persistence.save([bench.sessions])
    assert failures("save") == 2
    with pytest.raises(StoreUnavailable):
        await persistence.resume(bench.sessions, "c")
    assert failures("resume") == 1


class Deaf(MemoryStore):
    """Swallows the first cancellation of a beat, as the clients of stores may in the middle of a read."""

    def __init__(self) -> None:
        super().__init__()
        self.is_beating = asyncio.Event()
        self.has_swallowed = False

    async def beat(self, owner, lease_s):
        self.is_beating.set()
        if not self.has_swallowed:
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                self.has_swallowed = True
        return await super().beat(owner, lease_s)


@on_a_loop
async def test_a_store_that_swallows_the_end_keeps_no_server_from_ending():
    store = Deaf()
    persistence = Persistence(store, SaveMetrics(Metrics(CollectorRegistry())), save_s=0)
    persistence.upkeep.start()
    await store.is_beating.wait()
    await asyncio.wait_for(persistence.close(), 5)
    assert store.has_swallowed
