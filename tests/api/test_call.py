"""One request's bytes: limits are kept before and while reading."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest
from on_a_loop import on_a_loop

from service.api.call import BodyLimits, departure_check, read_body, request_id
from service.errors import BodyTooLarge, ClientGone, DeadlineExceeded, InvalidRequest

GONE = {"type": "http.disconnect"}
LIMITS = BodyLimits(max_bytes=10, timeout_s=5.0)


class Messages:
    """Gives messages one by one, then waits for ever."""

    def __init__(self, *messages) -> None:
        self.left = deque(messages)
        self.asked = 0

    async def __call__(self):
        self.asked += 1
        if not self.left:
            await asyncio.get_running_loop().create_future()
        return self.left.popleft()


def part(body: bytes, more_body: bool = True) -> dict:
    return {"type": "http.request", "body": body, "more_body": more_body}


@on_a_loop
async def test_a_body_in_one_piece_or_in_several_is_the_same_body():
    assert await read_body({}, Messages(part(b"0123456789", more_body=False)), LIMITS) == b"0123456789"
    pieces = Messages(part(b"01234"), part(b""), part(b"56789"), part(b"", more_body=False))
    assert await read_body({}, pieces, LIMITS) == b"0123456789"
    assert await read_body({}, Messages({"type": "http.request"}), LIMITS) == b""


@pytest.mark.parametrize(
    ("headers", "messages", "asked"),
    [
        ({b"content-length": b"11"}, [part(b"")], 0),
        ({}, [part(b"01234567890", more_body=False)], 1),
        ({b"content-length": b"3"}, [part(b"01234567890", more_body=False)], 1),
        ({}, [part(b"012345"), part(b"678901"), part(b"2")], 2),
    ],
)
@on_a_loop
async def test_a_body_too_large_is_refused_as_soon_as_it_shows(headers, messages, asked):
    receive = Messages(*messages)
    with pytest.raises(BodyTooLarge, match="at most 10 are allowed"):
        await read_body(headers, receive, LIMITS)
    assert receive.asked == asked


@pytest.mark.parametrize("announced", [b"ten", b"", b"-1", b"1e1", "\u0661".encode()])
@on_a_loop
async def test_an_announced_length_that_is_no_number_is_refused(announced):
    with pytest.raises(InvalidRequest, match="content-length: is not a number"):
        await read_body({b"content-length": announced}, Messages(), LIMITS)


@pytest.mark.parametrize("messages", [[], [part(b"0")]])
@on_a_loop
async def test_a_body_is_waited_for_no_longer_than_allowed(messages):
    with pytest.raises(DeadlineExceeded, match=r"body: not received within 0.01 s"):
        await read_body({}, Messages(*messages), BodyLimits(10, 0.01))


@pytest.mark.parametrize("messages", [[GONE], [part(b"0"), GONE]])
@on_a_loop
async def test_a_client_that_leaves_while_sending_is_told_nothing(messages):
    with pytest.raises(ClientGone):
        await read_body({}, Messages(*messages), LIMITS)


@on_a_loop
async def test_a_departure_is_noticed_without_waiting_for_one():
    receive = Messages()
    is_gone = departure_check(receive)
    assert not is_gone()
    assert not is_gone()
    receive.left.append(GONE)
    assert is_gone()


def test_new_request_ids_differ():
    assert len({request_id({}) for _ in range(1000)}) == 1000
