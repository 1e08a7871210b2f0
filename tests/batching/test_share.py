"""Live streams and finite requests that both want more than there is: the engine's seconds go by weight."""

from __future__ import annotations

import asyncio
from collections import Counter

import numpy as np
import pytest
from fakes import running_sum_signature
from hypothesis import given
from hypothesis import strategies as st

from service.batching.boarding_queue import BoardingQueue
from service.batching.chunk_length import chunk_length
from service.batching.cost_model import CostModel
from service.batching.partition import BatchLimits
from service.batching.ride import Ride
from service.batching.seats import Seats
from service.batching.share import Share
from service.batching.slot import FRESH
from service.batching.state_slots import StateSlots
from service.batching.ticket import Ticket

MAX_TICK_S = 0.005
# Futures need a loop to belong to; nothing runs on this one.
_LOOP = asyncio.new_event_loop()
_LOOP.close()


class Turning:
    """Ticks without an engine: each takes as long as is predicted, and every row of it the same part."""

    def __init__(self, weight: float, seats: int) -> None:
        self.cost = CostModel()
        self.cost.call_s, self.cost.step_s, self.cost.row_step_s = 5e-5, 1e-5, 1e-6
        self.slots = StateSlots(running_sum_signature())
        self.queue = BoardingQueue(lambda: self.cost)
        limits = BatchLimits(seats, 1 << 20)
        self.seats = Seats(
            self.queue,
            self.slots,
            lambda: self.cost,
            lambda: limits,
            lambda *_: None,
            Share(weight),
        )
        self.now_s = self.longest_s = 0.0
        self.seconds: Counter[bool] = Counter()
        self.waiting: Counter[bool] = Counter()

    def add(self, steps: int, *, stream: bool, priority: int = 5) -> None:
        slot = self.slots.take() if stream else FRESH
        sequence, future = np.zeros((steps, 2), np.float32), asyncio.Future(loop=_LOOP)
        self.queue.add(Ticket(sequence, None, future, self.now_s, priority=priority, slot=slot))
        self.waiting[stream] += 1

    def keep(self, count: int, steps: int, *, stream: bool) -> None:
        """Have so many of a kind wait or ride."""
        while self.waiting[stream] < count:
            self.add(steps, stream=stream)

    def tick(self) -> list[Ride]:
        rides = self.seats.seated(self.now_s, MAX_TICK_S)
        chunk = chunk_length([ride.left for ride in rides], self.cost, MAX_TICK_S, is_awaited=True)
        tick_s = self.cost.seconds(len(rides), chunk)
        self.seats.ride_for(rides, tick_s)
        self.now_s += tick_s
        self.longest_s = max(self.longest_s, tick_s)
        for ride in rides:
            self.seconds[ride.place.is_stream] += tick_s / len(rides)
            steps = min(chunk, ride.left)
            ride.done, ride.left = ride.done + steps, ride.left - steps
            if not ride.left:
                self.waiting[ride.place.is_stream] -= 1
                if ride.place.is_stream:
                    self.slots.release(ride.slot)
        self.seats.take_back([ride for ride in rides if ride.left])
        return rides


@given(st.floats(0.2, 8.0), st.integers(1, 12), st.integers(1, 200), st.integers(1, 2000))
def test_neither_kind_is_ever_further_behind_its_weight_than_a_tick_or_two(weight, seats, stream, finite):
    turning = Turning(weight, seats)
    for _ in range(60):
        turning.keep(3 * seats, stream, stream=True)
        turning.keep(3 * seats, finite, stream=False)
        assert turning.tick()
        behind_s = abs(turning.seconds[True] / weight - turning.seconds[False])
        assert behind_s <= 2 * turning.longest_s * max(1.0, 1.0 / weight)


@pytest.mark.parametrize("weight", [0.5, 1.0, 4.0])
@pytest.mark.parametrize(("stream", "finite"), [(1, 1000), (30, 30), (200, 3)])
def test_of_an_engine_that_both_saturate_each_gets_its_weight_in_seconds(weight, stream, finite):
    turning = Turning(weight, 16)
    while turning.now_s < 0.2:
        turning.keep(64, stream, stream=True)
        turning.keep(64, finite, stream=False)
        turning.tick()
    share = turning.seconds[True] / turning.seconds.total()
    assert share == pytest.approx(weight / (weight + 1), abs=0.03)


@pytest.mark.parametrize("stream", [True, False])
def test_a_kind_that_is_alone_rides_as_if_there_were_no_weights(stream):
    def ridden(weight):
        turning, random = Turning(weight, 4), np.random.default_rng(1)
        numbers = []
        for _ in range(60):
            for steps in random.integers(1, 400, 2).tolist():
                turning.add(steps, stream=stream, priority=int(random.integers(4, 6)))
            numbers.append([ride.place.number for ride in turning.tick()])
        return numbers

    assert ridden(0.01) == ridden(100.0)


def test_what_one_kind_leaves_the_other_gets_and_nothing_is_saved_up():
    turning = Turning(4.0, 10)
    for number in range(200):
        turning.keep(2 if number % 20 == 0 else 0, 1, stream=True)
        turning.keep(40, 500, stream=False)
        turning.tick()
    assert turning.seconds[True] < turning.seconds[False] / 4
    turning.seconds.clear()
    for _ in range(100):
        turning.keep(100, 1, stream=True)
        turning.keep(40, 500, stream=False)
        turning.tick()
        ahead_s = turning.seconds[True] / 4.0 - turning.seconds[False]
        assert abs(ahead_s) <= 2 * turning.longest_s


@pytest.mark.parametrize("few", [True, False])
def test_for_the_seats_that_a_kind_leaves_it_is_owed_nothing_even_if_somebody_of_it_always_rides(few):
    turning = Turning(4.0, 16)
    for _ in range(400):
        turning.keep(1 if few else 40, 1, stream=True)
        turning.keep(40 if few else 1, 1, stream=False)
        turning.tick()
    # The one that wants but one seat of sixteen has it at every tick.
    assert turning.seconds[few] == pytest.approx(turning.seconds.total() / 16, rel=0.02)
    turning.seconds.clear()
    for _ in range(100):
        turning.keep(64, 1, stream=True)
        turning.keep(64, 1, stream=False)
        turning.tick()
    assert turning.seconds[True] / turning.seconds.total() == pytest.approx(0.8, abs=0.03)


def test_the_more_urgent_go_first_whatever_they_are():
    turning = Turning(1.0, 4)
    for stream in (True, False):
        for _ in range(8):
            turning.add(1, stream=stream)
    for _ in range(3):
        turning.add(1, stream=False, priority=1)
    turning.add(1, stream=True, priority=2)
    assert [ride.place.priority for ride in turning.tick()] == [1, 1, 1, 2]
    kinds = [ride.place.is_stream for _ in range(4) for ride in turning.tick()]
    assert kinds == [True] * 4 + [False] * 4 + [True] * 4 + [False] * 4
