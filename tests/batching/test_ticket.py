"""A ticket is answered once, and its timer ends with it."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from fakes import ManualClock

from service.batching.ticket import RowResult, Ticket
from service.errors import DeadlineExceeded, EngineFailed

RESULT = RowResult(np.zeros(2), (), "fake", False, 0.0, 0.0, 0.0, 1)
ANSWERS = {
    "resolve": lambda ticket: ticket.resolve(RESULT),
    "fail": lambda ticket: ticket.fail(EngineFailed("no")),
    "expire": lambda ticket: ticket.expire(),
    "abandon": lambda ticket: ticket.abandon(),
    "cancel": lambda ticket: ticket.future.cancel(),
}


def new_ticket(clock: ManualClock, timeout_s: float = 5.0) -> Ticket:
    future = asyncio.get_running_loop().create_future()
    ticket = Ticket(np.zeros((3, 2), np.float32), None, future, clock.now())
    ticket.expiry = clock.call_at(clock.now() + timeout_s, ticket.expire)
    return ticket


def outcome(ticket: Ticket) -> object:
    if ticket.future.cancelled():
        return "cancelled"
    return ticket.future.exception() or ticket.future.result()


@pytest.mark.parametrize("second", ANSWERS)
@pytest.mark.parametrize("first", ANSWERS)
def test_the_first_answer_stands_and_a_second_is_ignored(first, second):
    async def scenario():
        ticket = new_ticket(ManualClock())
        ANSWERS[first](ticket)
        stands = outcome(ticket)
        ANSWERS[second](ticket)
        assert outcome(ticket) is stands

    asyncio.run(scenario())


@pytest.mark.parametrize("answer", ["resolve", "fail", "expire", "abandon"])
def test_an_answered_ticket_leaves_no_timer_behind(answer):
    async def scenario():
        ticket = new_ticket(ManualClock())
        timer = ticket.expiry
        ANSWERS[answer](ticket)
        assert ticket.expiry is None
        assert timer.callback is None

    asyncio.run(scenario())


def test_a_deadline_that_passes_is_told_to_the_caller():
    async def scenario():
        clock = ManualClock()
        ticket = new_ticket(clock, timeout_s=5.0)
        clock.advance(4.9)
        assert not ticket.is_settled
        clock.advance(0.2)
        with pytest.raises(DeadlineExceeded, match="deadline"):
            await ticket.future

    asyncio.run(scenario())


def test_a_failure_that_nobody_waits_for_is_not_reported_as_forgotten():
    """Otherwise asyncio logs an exception that was never retrieved for each row of a request."""
    reports = []

    async def scenario():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
        ticket = new_ticket(ManualClock())
        ticket.fail(EngineFailed("no"))
        ticket.abandon()
        del ticket

    asyncio.run(scenario())
    assert reports == []
