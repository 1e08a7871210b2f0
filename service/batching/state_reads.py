"""States on their way from a device to the host: those asked for in one turn of the loop come in one copy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from service.backends.engine_thread import Engine, Outcome
from service.domain.batches import Batch, BatchResult, fits
from service.domain.device_states import DeviceStates, ResidentState, StateTable
from service.domain.signature import Signature
from service.domain.tensors import Array
from service.errors import EngineFailed, as_engine_failed

Wanted: TypeAlias = dict[int, ResidentState]
"""States with inputs, by the row of the slot that has each."""
Arrived: TypeAlias = Callable[[int, ResidentState, tuple[Array, ...], bool], None]
"""Told of each: its slot's row, the state, one row of every state, and whether it had to be made again."""
Done: TypeAlias = Callable[[EngineFailed | None], None]

# What is read goes through memory of its own, on the device and on the host; and where the device is lost, so
# many are made again in one batch, of up to 64 steps each, while ticks wait.
_MOST_ROWS = 256


class StateReads:
    """Reads rows of the device's table, or, where the device is lost, makes them again on another engine.

    One that cannot be made is found by halves, as in ticks: the others come.
    """

    def __init__(self, engine: Engine, signature: Signature, arrived: Arrived) -> None:
        self._engine = engine
        self._signature = signature
        self._arrived = arrived
        self._wanted: Wanted = {}
        self._turn: asyncio.Future[EngineFailed | None] | None = None
        self._nobody = np.zeros((0, 0, *signature.step_shape), signature.step_datatype.dtype)

    async def bring(self, wanted: Wanted) -> None:
        """Have `arrived` be told of each; raises EngineFailed where one of all asked for was not made."""
        loop = asyncio.get_running_loop()
        self._wanted |= wanted
        if self._turn is None:
            self._turn = loop.create_future()
            loop.call_soon(self._start_turn, self._turn)
        # Others may wait for the same copy.
        failure = await asyncio.shield(self._turn)
        try:
            if failure is not None:
                raise failure
        finally:
            # Or else the failure would keep this frame, which keeps the failure; and rows on a device.
            del failure, wanted

    def start(self, wanted: Wanted, done: Done) -> None:
        """The same without waiting: `done` is called with a failure, or None, after the last of them."""
        rows = list(wanted.items())
        parts = [dict(rows[first : first + _MOST_ROWS]) for first in range(0, len(rows), _MOST_ROWS)]
        left = _Left(len(parts), done)
        for part in parts:
            self._read(part, left)

    def _start_turn(self, turn: asyncio.Future[EngineFailed | None]) -> None:
        wanted, self._wanted, self._turn = self._wanted, {}, None
        self.start(wanted, turn.set_result)

    def _read(self, part: Wanted, left: _Left) -> None:
        table, states = self._engine.capability.table, tuple(part.values())
        if not _are_in(table, part):
            table = None
        wanted = DeviceStates(table, (), (), self._signature.has_step_outputs, read=states)
        batch = Batch(self._nobody, np.zeros(0, np.int32), device_states=wanted)
        self._engine.submit(batch, lambda outcome: self._ended(part, table, left, outcome))

    def _ended(self, part: Wanted, table: StateTable | None, left: _Left, outcome: Outcome) -> None:
        is_read = table is not None and isinstance(outcome, BatchResult) and outcome.is_resident
        if is_read and not _are_in(table, part):
            # The table was given up meanwhile: what was in it is no longer believed.
            self._read(part, left)
            return
        failure = self._take(part, outcome)
        halves = [] if failure is None else _halves(part)
        left.ended(None if halves else failure, more=len(halves))
        for half in halves:
            self._read(half, left)

    def _take(self, part: Wanted, outcome: Outcome) -> EngineFailed | None:
        if isinstance(outcome, Exception):
            return as_engine_failed(outcome)
        if not fits(outcome, self._signature, 0, 0, len(part)):
            return EngineFailed(f"{outcome.engine}: {len(part)} states were asked for, and others read")
        try:
            # Copies: one that stays must not keep all that came with it.
            arrived = [tuple([rows[index].copy() for rows in outcome.read]) for index in range(len(part))]
        except MemoryError as failure:
            return as_engine_failed(failure)
        for (row, state), states in zip(part.items(), arrived, strict=True):
            self._arrived(row, state, states, not outcome.is_resident)
        return None


class _Left:
    """How many parts have not ended, and what went wrong with the others; then it is `done`."""

    def __init__(self, parts: int, done: Done) -> None:
        self._parts = parts
        self._done = done
        self._failure: EngineFailed | None = None

    def ended(self, failure: EngineFailed | None, more: int) -> None:
        """One has; `more` come in its place."""
        self._failure = self._failure or failure
        self._parts += more - 1
        if not self._parts:
            self._done(self._failure)


def _are_in(table: StateTable | None, states: Wanted) -> bool:
    """Whether all of these can be read from the table."""
    return all(state.row is not None and state.row.is_in(table) for state in states.values())


def _halves(part: Wanted) -> list[Wanted]:
    """Two, or none of what is alone."""
    middle, rows = len(part) // 2, list(part.items())
    return [dict(rows[:middle]), dict(rows[middle:])] if middle else []
