"""Padding: each row is its own sequence, whatever the buffer held before."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from fakes import running_sum_signature
from hypothesis import given
from hypothesis import strategies as st

from service.batching.padding import PaddedBuffer, row_output
from service.batching.ticket import Ticket
from service.domain.batches import BatchResult
from service.domain.signature import Readout

# Futures need a loop to belong to; nothing runs on this one.
_LOOP = asyncio.new_event_loop()
_LOOP.close()

SIGNATURE = running_sum_signature()
rows = st.lists(st.tuples(st.integers(1, 30), st.booleans()), min_size=1, max_size=9)


def ticket_of(steps: int, has_state: bool, seed: int, symbols: bool = False) -> Ticket:
    random = np.random.default_rng(seed)
    values = random.integers(0, 9, size=steps) if symbols else random.normal(size=(steps, 2))
    sequence = values.astype(np.int32 if symbols else np.float32)
    states = (random.normal(size=2).astype(np.float32),) if has_state else None
    return Ticket(sequence, states, asyncio.Future(loop=_LOOP), 0.0)


def assert_holds(batch, tickets: list[Ticket]) -> None:
    assert batch.rows == len(tickets)
    assert batch.padded_steps == max(ticket.steps for ticket in tickets)
    assert batch.lengths.tolist() == [ticket.steps for ticket in tickets]
    assert batch.lengths.dtype == np.int32
    for row, ticket in enumerate(tickets):
        np.testing.assert_array_equal(batch.sequence[: ticket.steps, row], ticket.sequence)
        assert not batch.sequence[ticket.steps :, row].any()
        state = np.zeros(2) if ticket.states is None else ticket.states[0]
        np.testing.assert_array_equal(batch.states[0][row], state)


@given(st.lists(rows, min_size=1, max_size=5), st.booleans())
def test_every_batch_holds_its_own_rows_and_zeros_whatever_the_buffer_held_before(batches, symbols):
    buffer = PaddedBuffer(running_sum_signature(symbols=9 if symbols else None))
    for seed, shapes in enumerate(batches):
        tickets = [ticket_of(*shape, seed * 100 + row, symbols) for row, shape in enumerate(shapes)]
        batch = buffer.fill(tickets)
        assert batch.sequence.dtype == (np.int32 if symbols else np.float32)
        assert batch.sequence.flags.c_contiguous
        assert_holds(batch, tickets)


def test_a_batch_of_the_same_size_uses_the_same_memory():
    buffer = PaddedBuffer(SIGNATURE)
    first = buffer.fill([ticket_of(9, False, 1), ticket_of(4, False, 2)])
    second = buffer.fill([ticket_of(3, False, 3), ticket_of(9, False, 4)])
    assert np.shares_memory(first.sequence, second.sequence)


def test_a_lone_row_is_not_copied():
    ticket = ticket_of(12, False, 1)
    assert np.shares_memory(PaddedBuffer(SIGNATURE).fill([ticket]).sequence, ticket.sequence)


@pytest.mark.parametrize(
    ("readout", "due"), [(Readout.LAST, [2.0, 3.0]), (Readout.EVERY_STEP, [[2.0, 3.0], [8.0, 9.0]])]
)
def test_a_row_s_output_is_its_own_and_ends_with_its_length(readout, due):
    rows_of_last = np.arange(6, dtype=np.float32).reshape(3, 2)
    rows_of_steps = np.arange(18, dtype=np.float32).reshape(3, 3, 2)
    output = rows_of_last if readout is Readout.LAST else rows_of_steps
    result = BatchResult(output, (), "fake", 0.0)
    assert row_output(result, running_sum_signature(readout), row=1, steps=2).tolist() == due
