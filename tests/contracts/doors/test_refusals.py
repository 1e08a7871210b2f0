"""The same fault is refused alike at every door; who is in flight meanwhile is unharmed."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from every_door import DOORS, Stream, refusal
from fakes import running_sum
from grpc_door import GrpcDoor
from on_a_loop import on_a_loop
from questions import Question, Served

from service.errors import (
    BodyTooLarge,
    DeadlineExceeded,
    EngineFailed,
    InvalidRequest,
    NotFound,
    Overloaded,
    Unavailable,
)

STEP = np.array([[1, 2]], np.float32)


def numbers(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def symbols(*ids: int) -> np.ndarray:
    return np.array(ids, np.int32)


FAULTS = {
    "an unknown model": (Question("nobody", [STEP]), NotFound, "model: there is no nobody, the models are: "),
    "an unknown version": (
        Question("sums", [STEP], "2"),
        NotFound,
        "version: sums has no version 2, it has 1",
    ),
    "a version with a zero in front": (
        Question("sums", [STEP], "01"),
        NotFound,
        "version: sums has no version",
    ),
    "a model that could not be loaded": (
        Question("broken", [STEP]),
        Unavailable,
        "model: broken/1 could not",
    ),
    "too many features": (Question("sums", [numbers(2, 3)]), InvalidRequest, "sequence"),
    "too few features": (Question("sums", [numbers(2, 1)]), InvalidRequest, "sequence"),
    "one dimension too many": (Question("sums", [numbers(2, 1, 2)]), InvalidRequest, "sequence"),
    "one dimension too few": (Question("sums", [numbers(2)]), InvalidRequest, "sequence"),
    "no steps": (Question("sums", [numbers(0, 2)]), InvalidRequest, ""),
    "a second row without steps": (Question("sums", [STEP, numbers(0, 2)]), InvalidRequest, ""),
    "too many steps": (Question("sums", [numbers(51, 2)]), BodyTooLarge, "51 steps, at most 50 are allowed"),
    "too many rows": (Question("sums", [STEP] * 9), BodyTooLarge, "sequences: 9 sequences, at most 8"),
    "a symbol beyond the last": (
        Question("letters", [symbols(0, 8)]),
        InvalidRequest,
        "step 1 is outside 0 to 7",
    ),
    "a negative symbol": (Question("letters", [symbols(-1)]), InvalidRequest, "step 0 is outside 0 to 7"),
    "a symbol out of range in the second row": (
        Question("letters", [symbols(0), symbols(1, 99)]),
        InvalidRequest,
        "sequences[1]: step 1 is outside 0 to 7",
    ),
}


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@pytest.mark.parametrize("fault", FAULTS)
@on_a_loop
async def test_a_fault_is_refused_in_the_same_words(fault, door):
    question, kind, words = FAULTS[fault]
    async with GrpcDoor(max_sequence_steps=50, max_request_rows=8) as server:
        server.memory.carousel.registry.add_failure("broken", "1", "its file is torn")
        neighbour = await server.memory.hold(steps=(3, 5))
        refused = await refusal(door, Served.by(server), question)
        server.memory.backends["sums"].gate.set()
        assert refused.is_of(kind), refused
        assert words in refused.message
        assert refused.message.split(":")[0].startswith(("model", "version", "sequence", "lengths"))
        rows = (await neighbour).json()["predictions"]
        due = [running_sum(np.array([[n, 1] for n in range(steps)]))[-1].tolist() for steps in (3, 5)]
        assert [row["output"] for row in rows] == due


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@on_a_loop
async def test_a_deadline_that_passes_is_told_and_harms_nobody(door):
    async with GrpcDoor() as server:
        neighbour = await server.memory.hold()
        refused = await refusal(door, Served.by(server), Question("sums", [STEP], timeout_s=0.05))
        assert refused.is_of(DeadlineExceeded)
        assert "deadline" in refused.message
        server.memory.backends["sums"].gate.set()
        assert (await neighbour).status_code == 200
        assert server.memory.metric("rejected_total", reason="deadline") == 1


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@on_a_loop
async def test_a_full_queue_says_when_to_come_back(door):
    async with GrpcDoor(max_waiting_rows=2) as server:
        served = Served.by(server)
        held = await server.memory.hold()
        waiting = [asyncio.create_task(door.infer(served, Question("sums", [STEP]))) for _ in range(2)]
        await server.until(lambda: server.memory.metric("waiting_sequences", model="sums", version="1") == 2)
        refused = await refusal(door, served, Question("sums", [STEP]))
        assert refused.is_of(Overloaded)
        assert "the queue is full: 2 sequences wait" in refused.message
        assert isinstance(door, Stream) or int(refused.retry_after) >= 1
        server.memory.backends["sums"].gate.set()
        assert len(await asyncio.gather(*waiting)) == 2
        assert (await held).status_code == 200


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@on_a_loop
async def test_an_engine_that_fails_one_sequence_tells_its_own_words_and_answers_the_next(door):
    async with GrpcDoor() as server:
        server.memory.backends["sums"].fails_on = {1.0}
        refused = await refusal(door, Served.by(server), Question("sums", [STEP]))
        assert refused.is_of(EngineFailed)
        assert "the device is on fire" in refused.message
        assert await door.infer(Served.by(server), Question("sums", [STEP * 2]))
