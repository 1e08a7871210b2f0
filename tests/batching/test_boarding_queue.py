"""Who gets on the carousel next."""

from __future__ import annotations

import asyncio

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.batching.boarding_queue import BoardingQueue
from service.batching.cost_model import CostModel
from service.batching.ticket import Ticket

# Futures need a loop to belong to; nothing runs on this one.
_LOOP = asyncio.new_event_loop()
_LOOP.close()


def ticket_of(steps: int, arrived_s: float = 0.0, priority: int = 5) -> Ticket:
    future = asyncio.Future(loop=_LOOP)
    return Ticket(np.zeros((steps, 1), np.float32), None, future, arrived_s, priority=priority)


def queue() -> BoardingQueue:
    cost = CostModel()
    cost.call_s, cost.step_s, cost.row_step_s = 1e-4, 1e-5, 1e-6
    return BoardingQueue(lambda: cost)


def order_of(waiting: BoardingQueue) -> list[Ticket]:
    taken = []
    while line := waiting.first(3):
        taken.append(line[0].ticket)
        waiting.take(line[:1])
    return taken


def test_a_short_sequence_overtakes_a_long_one_that_came_a_little_earlier_and_no_other():
    waiting, long = queue(), ticket_of(5000)
    soon, late = ticket_of(10, arrived_s=0.1), ticket_of(10, arrived_s=1.0)
    for ticket in (long, soon, late):
        waiting.add(ticket)
    assert order_of(waiting) == [soon, long, late]


def test_like_sequences_go_in_order_of_arrival_and_the_urgent_before_all():
    waiting = queue()
    first, second, urgent = ticket_of(20), ticket_of(20), ticket_of(5000, arrived_s=9.0, priority=1)
    for ticket in (first, second, urgent):
        waiting.add(ticket)
    assert order_of(waiting) == [urgent, first, second]


arrivals = st.lists(
    st.tuples(st.integers(1, 300), st.integers(1, 9), st.booleans(), st.booleans()), max_size=40
)


@given(arrivals, st.data())
def test_whoever_leaves_and_goes_what_is_counted_is_what_waits(script, data):
    waiting, there = queue(), []
    for steps, priority, has_left, others_leave in script:
        ticket = ticket_of(steps, float(len(there)), priority)
        waiting.add(ticket)
        there.append(ticket)
        if has_left:
            data.draw(st.sampled_from(there)).future.cancel()
        if others_leave:
            leaving = list(waiting.less_urgent(ticket.level))[:2]
            assert all(other.level > ticket.level for other in leaving)
            waiting.remove(leaving)
            there = [other for other in there if other not in leaving]
        if priority % 4 == 0:
            line = waiting.first(steps % 5)
            assert [ride.place for ride in line] == sorted(ride.place for ride in line)
            if line:
                waiting.take(line[:1])
                there.remove(line[0].ticket)
            there = [other for other in there if other in list(waiting.waiting())]
        if priority % 3 == 0:
            waiting.drop_settled()
            there = [other for other in there if not other.is_settled]
        assert sorted(map(id, waiting.waiting())) == sorted(map(id, there))
        assert waiting.work.rows == len(there)
        assert waiting.work.bytes == sum(other.size for other in there)
    assert sorted(map(id, order_of(waiting))) == sorted(id(one) for one in there if not one.is_settled)
