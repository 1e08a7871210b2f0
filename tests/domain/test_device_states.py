"""A state on a device is a value: steps make another, and a row is free when no value names it."""

from __future__ import annotations

import numpy as np

from service.domain.device_states import MOST_INPUT_BYTES, MOST_INPUT_STEPS, DeviceRow, ResidentState

CHECKPOINT = (np.zeros(2, np.float32),)


class Table:
    """Notes which rows are given back."""

    def __init__(self) -> None:
        self.epoch = 0
        self.given_back: list[int] = []

    def give_back(self, index: int) -> None:
        self.given_back.append(index)


def test_steps_lead_to_another_state_and_leave_the_first_as_it_was():
    first = ResidentState(CHECKPOINT)
    one, two = np.ones((1, 3), np.float32), np.ones((2, 3), np.float32)
    last = first.after(one, None, 1.0).after(two, None, 2.0)
    assert first.inputs == []
    assert [len(steps) for steps in last.inputs] == [1, 2]
    assert (last.steps, last.size, last.since_s) == (3, 36, 2.0)


def test_one_that_was_brought_to_the_host_keeps_its_row_and_needs_no_inputs():
    row = DeviceRow(Table(), 5)
    brought = ResidentState(CHECKPOINT).after(np.ones((1, 3)), row, 1.0).at(CHECKPOINT)
    assert (brought.row, brought.inputs, brought.steps) == (row, [], 0)


def test_inputs_are_bounded_in_steps_and_in_bytes():
    state = ResidentState(CHECKPOINT).after(np.zeros((MOST_INPUT_STEPS - 1, 1)), None, 0.0)
    assert state.has_room_for(1, 8)
    assert not state.has_room_for(2, 16)
    assert not state.has_room_for(1, MOST_INPUT_BYTES)


def test_a_row_is_given_back_with_the_last_state_that_names_it():
    table = Table()
    state = ResidentState(CHECKPOINT, DeviceRow(table, 5))
    same = state.at(CHECKPOINT)
    del state
    assert table.given_back == []
    del same
    assert table.given_back == [5]
