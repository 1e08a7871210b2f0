"""States on their way from a device to the host: those asked for in one turn of the loop come in one copy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from service.backends.engine_thread import Engine, Outcome
from service.domain.batches import Batch
from service.domain.device_states import DeviceStates, ResidentState
from service.domain.signature import Signature
from service.domain.tensors import Array
from service.errors import EngineFailed, as_engine_failed

Wanted: TypeAlias = dict[int, ResidentState]
"""States with inputs, by the row of the slot that has each."""
Arrived: TypeAlias = Callable[[int, ResidentState, tuple[Array, ...]], None]
Done: TypeAlias = Callable[[EngineFailed | None], None]

# What is read goes through memory of its own, on the device and on the host.
_MOST_ROWS = 1024


class StateReads:
    """Reads rows of the device's table, or, where the device is lost, makes them again on another engine."""

    def __init__(self, engine: Engine, signature: Signature, arrived: Arrived) -> None:
        self._engine = engine
        self._signature = signature
        self._arrived = arrived
        self._wanted: Wanted = {}
        self._turn: asyncio.Future[EngineFailed | None] | None = None
        self._nobody = np.zeros((0, 0, *signature.step_shape), signature.step_datatype.dtype)

    async def bring(self, wanted: Wanted) -> None:
        """Have `arrived` be told of each; raises EngineFailed where one could not be made."""
        loop = asyncio.get_running_loop()
        self._wanted |= wanted
        if self._turn is None:
            self._turn = loop.create_future()
            loop.call_soon(self._start_turn, self._turn)
        # Others may wait for the same copy.
        if failure := await asyncio.shield(self._turn):
            raise failure

    def start(self, wanted: Wanted, done: Done) -> None:
        """The same without waiting: `done` is called with the failure, or None, after the last of them."""
        rows = list(wanted)
        parts = [rows[first : first + _MOST_ROWS] for first in range(0, len(rows), _MOST_ROWS)]
        failures: list[EngineFailed | None] = []

        def ended(part: Wanted, outcome: Outcome) -> None:
            failures.append(self._take(part, outcome))
            if len(failures) == len(parts):
                done(next(filter(None, failures), None))

        for part in parts:
            self._read({row: wanted[row] for row in part}, ended)

    def _start_turn(self, turn: asyncio.Future[EngineFailed | None]) -> None:
        wanted, self._wanted, self._turn = self._wanted, {}, None
        self.start(wanted, turn.set_result)

    def _read(self, part: Wanted, ended: Callable[[Wanted, Outcome], None]) -> None:
        table, states = self._engine.capability.table, tuple(part.values())
        if not all(state.row is not None and state.row.is_in(table) for state in states):
            table = None
        wanted = DeviceStates(table, (), (), self._signature.has_step_outputs, read=states)
        batch = Batch(self._nobody, np.zeros(0, np.int32), device_states=wanted)
        self._engine.submit(batch, lambda outcome: ended(part, outcome))

    def _take(self, part: Wanted, outcome: Outcome) -> EngineFailed | None:
        if isinstance(outcome, Exception):
            return as_engine_failed(outcome)
        for index, (row, state) in enumerate(part.items()):
            # Copies: one that stays must not keep all that came with it.
            self._arrived(row, state, tuple([rows[index].copy() for rows in outcome.read]))
        return None
