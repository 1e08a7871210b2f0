"""Ticks of streams as the scheduler forms them: with states from a table on the host, or on the device."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from service.backends.protocol import Backend
from service.batching.slot import FRESH
from service.batching.state_slots import StateSlots
from service.domain.batches import Batch
from service.domain.device_states import DeviceStates, ResidentState, StateTable
from service.domain.signature import Signature
from service.domain.tensors import Array
from service.errors import EngineFailed

_UNTIMED = 5


@dataclass(frozen=True, slots=True)
class TickFigures:
    """Median seconds of a tick, from its forming to its states at rest; and how far apart the outputs are."""

    rows: int
    steps: int
    host_s: float
    device_s: float
    largest_difference: float


def compare(backend: Backend, signature: Signature, rows: int, steps: int, ticks: int) -> TickFigures:
    """So many streams, each taking so many steps a tick; raises EngineFailed where there is no such table."""
    table = backend.capability.table
    if table is None or table.free < 2 * rows:
        raise EngineFailed(f"the device has no table for {rows} streams")
    chunk = _chunk(signature, rows, steps)
    host_s, on_host = _timed(_host_ticks(backend, signature, chunk), ticks)
    device_s, on_device = _timed(_device_ticks(backend, signature, chunk, table), ticks)
    return TickFigures(rows, steps, host_s, device_s, float(np.abs(on_host - on_device).max()))


def _timed(tick: Callable[[], Array], ticks: int) -> tuple[float, Array]:
    """The median time and the last output; the states go on from tick to tick."""
    times = []
    for _ in range(_UNTIMED + ticks):
        started_s = time.perf_counter()
        output = tick()
        times.append(time.perf_counter() - started_s)
    return statistics.median(times[_UNTIMED:]), output


def _host_ticks(backend: Backend, signature: Signature, chunk: Array) -> Callable[[], Array]:
    slots = StateSlots(signature)
    rows, lengths = chunk.shape[1], np.full(chunk.shape[1], len(chunk), np.int32)
    own = [slots.take() for _ in range(rows)]
    slots.reset(own)

    def tick() -> Array:
        result = backend.run(Batch(chunk, lengths, slots.gather(own)))
        slots.commit(own, range(rows), result.states)
        return result.output

    return tick


def _device_ticks(
    backend: Backend, signature: Signature, chunk: Array, table: StateTable
) -> Callable[[], Array]:
    rows, lengths = chunk.shape[1], np.full(chunk.shape[1], len(chunk), np.int32)
    fresh = ResidentState(StateSlots(signature).read(FRESH), is_fresh=True)
    states = [fresh] * rows

    def tick() -> Array:
        nonlocal states
        # As often as in service: when a row's inputs have become too many.
        returns = not states[0].has_room_for(len(chunk), chunk[:, 0].nbytes)
        targets = tuple(table.take() for _ in range(rows))
        named = DeviceStates(table, tuple(states), targets, signature.has_step_outputs, returns)
        result = backend.run(Batch(chunk, lengths, device_states=named))
        states = [state.after(chunk[:, row].copy(), targets[row], 0.0) for row, state in enumerate(states)]
        if returns:
            states = [
                state.at(tuple(one[row].copy() for one in result.states)) for row, state in enumerate(states)
            ]
        return result.output

    return tick


def _chunk(signature: Signature, rows: int, steps: int) -> Array:
    random = np.random.default_rng(rows)
    shape = (steps, rows, *signature.step_shape)
    if signature.step_datatype.is_floating:
        return random.standard_normal(shape).astype(signature.step_datatype.dtype)
    return random.integers(signature.symbol_count or 1, size=shape).astype(signature.step_datatype.dtype)
