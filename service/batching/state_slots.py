"""Recurrent state at rest: one row of every state for each sequence that is under way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

import numpy as np

from service.batching.slot import Slot
from service.domain.device_states import ResidentState
from service.domain.replay import stacked
from service.domain.signature import Signature
from service.domain.tensors import Array
from service.errors import EngineFailed

_FIRST = 64


async def _nothing_to_bring(slots: Sequence[Slot]) -> None:
    """Where all states rest here."""


class StateSlots:
    """Rows of state in host memory, `[slots, *shape]` for each state of a signature; grows as needed.

    How many there may be is for those to say who take them.

    Row 0 holds zeros for ever: a sequence that has not begun has no slot and starts from there. A slot
    that is released and taken again has another generation, so what a late batch has to say about the
    tenant before reaches nobody.
    """

    def __init__(self, signature: Signature) -> None:
        self._tables = [np.zeros((_FIRST, *state.shape), np.float32) for state in signature.states]
        self.slot_bytes = sum(table[0].nbytes for table in self._tables)
        self._generations = [0] * _FIRST
        self._free = list(range(_FIRST - 1, 0, -1))
        self.resident: dict[int, ResidentState] = {}
        self.bring: Callable[[Sequence[Slot]], Awaitable[None]] = _nothing_to_bring

    @property
    def in_use(self) -> int:
        return len(self._generations) - 1 - len(self._free)

    def take(self) -> Slot:
        """A slot that is nobody's, with whatever its last tenant left in it."""
        if not self._free:
            self._grow()
        row = self._free.pop()
        return Slot(row, self._generations[row])

    def release(self, slot: Slot) -> None:
        """Give a slot back; of one that is already somebody else's nothing happens."""
        if slot.row and self.is_current(slot):
            self._generations[slot.row] += 1
            self.resident.pop(slot.row, None)
            self._free.append(slot.row)

    def is_current(self, slot: Slot) -> bool:
        return self._generations[slot.row] == slot.generation

    def keep(self, slot: Slot, state: ResidentState) -> None:
        """The slot's state is on a device from now on, if the slot is still the same tenant's."""
        if not slot.row or not self.is_current(slot):
            return
        self.resident.pop(slot.row, None)
        if state.row is None:
            self.write(slot, state.checkpoint)
        else:
            self.resident[slot.row] = state

    def has_checkpoint(self, row: int, state: ResidentState, checkpoint: tuple[Array, ...]) -> bool:
        """A state has been brought to the host; False where the slot has another by now."""
        if self.resident.get(row) is not state:
            return False
        self.resident[row] = state.at(checkpoint)
        return True

    def leave(self, row: int, state: ResidentState, states: Sequence[Array]) -> bool:
        """Have a state rest here and no longer on a device; False where the slot has another by now."""
        if self.resident.get(row) is not state:
            return False
        del self.resident[row]
        for table, brought in zip(self._tables, states, strict=True):
            table[row] = brought
        return True

    def is_at_hand(self, slots: Sequence[Slot]) -> bool:
        """Whether their states can be read here, or have to be brought first."""
        resident = self.resident
        return not resident or not any(slot.row in resident and resident[slot.row].steps for slot in slots)

    def gather(self, slots: Sequence[Slot]) -> tuple[Array, ...]:
        """The states of these slots, all at hand, side by side, `[rows, *shape]` each; copies."""
        if self.resident:
            return stacked([self.read(slot) for slot in slots])
        places = np.fromiter((slot.row for slot in slots), np.intp, len(slots))
        return tuple([table.take(places, axis=0) for table in self._tables])

    def commit(self, slots: Sequence[Slot], rows: Sequence[int], states: Sequence[Array]) -> None:
        """Store `states[…][row]` in each slot that is still the same tenant's."""
        generations = self._generations
        places, taken = [], []
        for (place, generation), row in zip(slots, rows, strict=True):
            if place and generations[place] == generation:
                places.append(place)
                taken.append(row)
        if not places:
            return
        self._forget(places)
        into, out_of = np.array(places, np.intp), np.array(taken, np.intp)
        for table, state in zip(self._tables, states, strict=True):
            table[into] = state.take(out_of, axis=0)

    def write(self, slot: Slot, states: Sequence[Array]) -> None:
        """Store one row of every state, if the slot is still the same tenant's."""
        if slot.row and self.is_current(slot):
            self._forget([slot.row])
            for table, state in zip(self._tables, states, strict=True):
                table[slot.row] = state

    def reset(self, slots: Sequence[Slot]) -> None:
        """Zeros, as before the first step."""
        rows = [slot.row for slot in slots]
        self._forget(rows)
        for table in self._tables:
            table[rows] = 0

    def read(self, slot: Slot) -> tuple[Array, ...]:
        """A copy of one row of every state, which is at hand."""
        if state := self.resident.get(slot.row):
            if state.steps:
                raise EngineFailed("a state is read that was not brought to the host. This is a bug.")
            return state.checkpoint
        return tuple(table[slot.row].copy() for table in self._tables)

    def _forget(self, rows: Iterable[int]) -> None:
        """What these rows have on a device is out of date."""
        if self.resident:
            for row in rows:
                self.resident.pop(row, None)

    def _grow(self) -> None:
        rows = len(self._generations)
        self._tables = [np.concatenate([table, np.zeros_like(table)]) for table in self._tables]
        self._generations += [0] * rows
        self._free += range(2 * rows - 1, rows - 1, -1)
