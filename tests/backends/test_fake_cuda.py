"""The fake device is as strict as a real one is cruel: what would go wrong there by chance is refused."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from fake_cuda import FakeCuda

ROW = 8


@dataclass
class Program:
    """Some memory, two streams, and things to do with them."""

    cuda: FakeCuda = field(default_factory=FakeCuda)

    def __post_init__(self) -> None:
        cuda = self.cuda
        self.first, self.second, self.event = cuda.create_stream(), cuda.create_stream(), cuda.create_event()
        self.pinned, self.memory, self.table = cuda.pinned(64), cuda.allocate(64), cuda.allocate(4 * ROW)
        self.places = cuda.allocate(8)
        self.pinned[:] = 0

    def place(self, *places: int) -> None:
        self.pinned[:8].view(np.int32)[:] = places
        self.cuda.copy_in(self.places, self.pinned[:8], self.first)
        self.cuda.synchronize(self.first)

    def gather(self, rows: int = 2, row_bytes: int = ROW, table: int | None = None) -> None:
        self.cuda.gather(self.memory, table or self.table, self.places, rows, row_bytes, self.first)
        self.cuda.synchronize(self.first)


def two_streams_without_an_event(program: Program) -> None:
    program.cuda.copy_in(program.memory, program.pinned, program.first)
    program.cuda.copy_out(program.cuda.pinned(64), program.memory, program.second)


def an_event_that_was_recorded_too_early(program: Program) -> None:
    program.cuda.record(program.event, program.first)
    program.cuda.zero(program.memory, 64, program.first)
    program.cuda.wait(program.second, program.event)
    program.cuda.zero(program.memory, 64, program.second)


def a_write_over_what_is_being_read(program: Program) -> None:
    program.cuda.copy_on_device(program.table, program.memory, 8, program.first)
    program.cuda.zero(program.memory, 64, program.second)


def host_memory_written_during_its_copy(program: Program) -> None:
    program.cuda.copy_in(program.memory, program.pinned, program.first)
    program.pinned[5] = 1
    program.cuda.synchronize(program.first)


def memory_freed_though_the_host_knows_of_no_end(program: Program) -> None:
    program.cuda.zero(program.memory, 64, program.first)
    program.cuda.record(program.event, program.first)
    # As it happens it is over; but the host has not asked.
    program.cuda.streams.run_until(program.first, 2)
    program.cuda.free(program.memory)


def pageable_memory(program: Program) -> None:
    program.cuda.copy_in(program.memory, np.zeros(8, np.uint8), program.first)


def places_that_nobody_wrote(program: Program) -> None:
    program.gather()


def a_place_past_the_table(program: Program) -> None:
    program.place(0, 4)
    program.gather()


def a_grid_of_no_blocks(program: Program) -> None:
    program.place(0, 1)
    program.gather(rows=0)


def half_a_word(program: Program) -> None:
    program.place(0, 1)
    program.gather(row_bytes=6)


def memory_that_is_not_aligned(program: Program) -> None:
    program.place(0, 1)
    program.gather(table=program.table + 2)


def _scatter(program: Program, *places: int) -> None:
    program.place(*places)
    program.cuda.scatter(program.table, program.memory, program.places, 2, ROW, program.first)
    program.cuda.synchronize(program.first)


def two_rows_to_one_place(program: Program) -> None:
    _scatter(program, 2, 2)


def the_zeros_overwritten(program: Program) -> None:
    _scatter(program, 0, 1)


def memory_that_is_freed_twice(program: Program) -> None:
    program.cuda.free(program.memory)
    program.cuda.free(program.memory)


@pytest.mark.parametrize(
    ("breach", "words"),
    [
        (two_streams_without_an_event, "stream 1 may still be using"),
        (an_event_that_was_recorded_too_early, "stream 1 may still be using"),
        (a_write_over_what_is_being_read, "stream 1 may still be using"),
        (host_memory_written_during_its_copy, "is being copied"),
        (memory_freed_though_the_host_knows_of_no_end, "stream 1 may still be using"),
        (pageable_memory, "not allocated"),
        (places_that_nobody_wrote, "not allocated"),
        (a_place_past_the_table, "not allocated"),
        (a_grid_of_no_blocks, "a grid of 0 blocks"),
        (half_a_word, "half a word"),
        (memory_that_is_not_aligned, "not aligned"),
        (two_rows_to_one_place, "two rows are written to one place"),
        (the_zeros_overwritten, "the row of zeros is written"),
        (memory_that_is_freed_twice, "never allocated"),
    ],
)
def test_a_breach_of_the_rules_is_refused_and_noted(breach, words):
    program = Program()
    with pytest.raises(AssertionError, match=words):
        breach(program)
    assert len(program.cuda.rules.broken) == 1


def test_what_events_and_waits_keep_in_order_is_let_pass():
    program = Program()
    cuda = program.cuda
    program.place(2, 1)
    cuda.zero(program.table, 4 * ROW, program.first)
    program.gather()
    cuda.copy_in(program.memory, program.pinned, program.first)
    cuda.record(program.event, program.first)
    cuda.wait(program.second, program.event)
    cuda.zero(program.memory, 64, program.second)
    cuda.record(program.event, program.second)
    cuda.wait_for(program.event)
    program.pinned[:] = 1
    cuda.free(program.memory)
    assert cuda.rules.broken == []


def test_what_is_copied_to_the_host_is_not_there_before_it_is_waited_for():
    program = Program()
    program.cuda.zero(program.memory, 64, program.first)
    program.cuda.copy_out(program.pinned, program.memory, program.first)
    assert program.pinned.any()
    program.cuda.synchronize(program.first)
    assert not program.pinned.any()
