"""What is sent for a session while the store is still asked to keep it."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
from bench import all_due
from fakes import running_sum
from memory_server import MemoryServer
from on_a_loop import on_a_loop
from prometheus_client import CollectorRegistry
from session_bench import SessionBench

from service.domain.inference import InferRequest, StreamStep
from service.errors import Unavailable
from service.sessions.handover import hand_over
from service.sessions.persistence import Persistence
from service.sessions.stores.memory import MemoryStore
from service.telemetry.metrics import Metrics, SaveMetrics

_WHOLE = np.arange(8, dtype=np.float32).reshape(-1, 2)


class LongWay(MemoryStore):
    """As one that is asked over a network: others have their turn meanwhile."""

    async def put(self, *args, **options):
        await all_due()
        await super().put(*args, **options)

    async def get(self, session_id):
        await all_due()
        return await super().get(session_id)


def keeping(server: MemoryServer, save_s: float | None) -> Persistence:
    persistence = Persistence(LongWay(), SaveMetrics(server.carousel.metrics), save_s, longest_wait_s=0.0)
    server.carousel.predictor.persistence = persistence
    return persistence


@pytest.mark.parametrize("save_s", [None, 0.0, 0.5])
@on_a_loop
async def test_steps_that_are_sent_ahead_run_after_the_one_that_starts_their_session(save_s):
    async with MemoryServer() as server:
        keeping(server, save_s)
        asked = [
            server.carousel.predictor.infer(
                InferRequest("running", [step[None]], stream=StreamStep("talk", starts=number == 0))
            )
            for number, step in enumerate(_WHOLE)
        ]
        answers = await asyncio.gather(*asked)
        assert [answer.step for answer in answers] == [1, 2, 3, 4]
        np.testing.assert_array_equal([answer.outputs[0][0] for answer in answers], running_sum(_WHOLE))


@pytest.mark.parametrize("save_s", [None, 0.0])
@on_a_loop
async def test_a_session_that_is_taken_from_the_store_while_another_version_takes_over_is_not_lost(save_s):
    old, new = SessionBench(), SessionBench()
    store, metrics = LongWay(), SaveMetrics(Metrics(CollectorRegistry()))
    for bench in (old, new):
        bench.sessions._unix_now = time.time
    await old.answers(old.sessions.open("talk"), old.steps(2))
    await Persistence(store, metrics).save([old.sessions])
    old.sessions.discard("talk")
    later = Persistence(store, metrics, save_s, longest_wait_s=0.0)
    coming = asyncio.create_task(later.resume(old.sessions, "talk"))
    await all_due()
    hand_over(old.sessions, new.sessions)
    with pytest.raises(Unavailable, match="send it again"):
        await coming
    await later.resume(new.sessions, "talk")
    assert new.sessions.find("talk").step == 1
