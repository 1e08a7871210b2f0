"""The limits of a body, for routes that leave reading it to the framework."""

from __future__ import annotations

import asyncio

import pytest
from on_a_loop import on_a_loop

from service.api.call import BodyLimits
from service.api.guard import limited
from service.errors import BodyTooLarge, DeadlineExceeded


def part(body: bytes, more_body: bool = True) -> dict:
    return {"type": "http.request", "body": body, "more_body": more_body}


def messages(*left):
    queue = list(left)

    async def receive():
        return queue.pop(0) if queue else await asyncio.get_running_loop().create_future()

    return receive


@on_a_loop
async def test_a_body_within_its_limits_passes_and_what_follows_it_is_waited_for():
    gone = {"type": "http.disconnect"}
    receive = limited(messages(part(b"12345"), part(b"67890", more_body=False), gone), BodyLimits(10, 5.0))
    assert [(await receive()).get("body") for _ in range(3)] == [b"12345", b"67890", None]


@on_a_loop
async def test_a_body_that_grows_too_large_ends():
    receive = limited(messages(part(b"12345"), part(b"678901")), BodyLimits(10, 5.0))
    await receive()
    with pytest.raises(BodyTooLarge, match="at most 10 are allowed"):
        await receive()


@on_a_loop
async def test_a_body_that_does_not_come_ends():
    receive = limited(messages(part(b"1")), BodyLimits(10, 0.01))
    await receive()
    with pytest.raises(DeadlineExceeded, match=r"body: not received within 0.01 s"):
        await receive()
