"""Which states stay on a device between ticks, and when they are brought to the host."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, takewhile

from service.backends.engine_thread import Engine
from service.batching.ride import Ride
from service.batching.slot import FRESH, Slot
from service.batching.state_reads import StateReads, Wanted
from service.batching.state_slots import StateSlots
from service.domain.batches import BatchResult
from service.domain.clock import Clock
from service.domain.device_states import DeviceStates, ResidentState, StateTable
from service.domain.signature import Signature
from service.domain.tensors import Array
from service.errors import EngineFailed
from service.telemetry.metrics import StateMetrics

# A table with less than this share free makes room: at most so many leave who have not stepped for so long.
_LEAST_FREE = 1 / 8
_IDLE_S = 1.0
_MOST_SPILLED = 256


class Residency:
    """Between the slots and the engine's table of states; while the engine has none, it does nothing.

    A state on a device has a checkpoint on the host and the inputs since: whatever becomes of the device, it
    can be made again. When the inputs become too many, all states of that tick come back with its answer and
    are the next checkpoints. Lives on the event loop.
    """

    def __init__(
        self, signature: Signature, slots: StateSlots, engine: Engine, clock: Clock, metrics: StateMetrics
    ) -> None:
        self._signature = signature
        self._slots = slots
        self._engine = engine
        self._clock = clock
        self._metrics = metrics
        self._fresh = ResidentState(slots.read(FRESH), is_fresh=True)
        self._brought = StateReads(engine, signature, self._has_come)
        self._leaving = StateReads(engine, signature, self._has_left)
        self._is_spilling = False
        slots.bring = self._bring

    def show(self) -> None:
        """From now on the gauges show these slots, and no other version's of the name and number."""
        self._metrics.show(self._tier_bytes)

    def states_of(self, rides: Sequence[Ride], steps: Sequence[int]) -> DeviceStates | None:
        """Where a tick's states are, and where they are to go; None where the tick carries them itself."""
        table = self._engine.capability.table
        if table is None and not self._has_any_of(rides):
            return None
        before = tuple([self._state_of(ride.slot) for ride in rides])
        if table is None or _is_elsewhere(before, table):
            # Made again from their inputs, on whatever engine runs the tick.
            nowhere = (None,) * len(rides)
            return DeviceStates(None, before, nowhere, self._signature.has_step_outputs, returns_states=True)
        return self._on(table, before, rides, steps)

    def after(
        self, states: DeviceStates, row: int, chunk: Array, result: BatchResult, now_s: float
    ) -> ResidentState:
        """The state in which a row of a tick ended that ran this chunk `[steps, *step]`."""
        target = states.targets[row]
        if result.states:
            # Copies, here and below: a view would keep the whole batch, or the whole request, with it.
            checkpoint = tuple([state[row].copy() for state in result.states])
            return ResidentState(checkpoint, target, now_s)
        return states.before[row].after(chunk.copy(), target, now_s)

    def ran(self, states: DeviceStates, result: BatchResult) -> None:
        """Count what was moved for a tick that succeeded."""
        if not result.is_resident:
            # On another engine than the table's.
            self._metrics.moved("replayed", sum(bool(state.steps) for state in states.before))
            return
        uploaded = sum(state.row is None and not state.is_fresh for state in states.before)
        self._metrics.moved("uploaded", uploaded)
        if result.states:
            self._metrics.moved("checkpointed", sum(row is not None for row in states.targets))

    def make_room(self) -> None:
        """Where the table is nearly full, bring those who have long been idle to the host."""
        table = self._engine.capability.table if self._slots.resident else None
        if table is None or self._is_spilling or table.free >= _LEAST_FREE * (table.free + table.in_use):
            return
        idle = self._idle()
        leaving = {row: state for row, state in idle.items() if state.steps}
        for row in idle.keys() - leaving.keys():
            self._spill(row, idle[row], idle[row].checkpoint)
        if leaving:
            self._is_spilling = True
            self._leaving.start(leaving, self._has_spilled)

    def _on(
        self,
        table: StateTable,
        before: tuple[ResidentState, ...],
        rides: Sequence[Ride],
        steps: Sequence[int],
    ) -> DeviceStates:
        targets, returns_states = [], False
        for state, ride, count in zip(before, rides, steps, strict=True):
            # A finite sequence leaves nothing behind at its end.
            is_kept = count < ride.left or ride.ticket.slot is not FRESH
            target = table.take() if is_kept else None
            targets.append(target)
            has_room = state.has_room_for(count, count * self._signature.step_bytes)
            returns_states = returns_states or (is_kept and (target is None or not has_room))
        return DeviceStates(table, before, tuple(targets), self._signature.has_step_outputs, returns_states)

    def _has_any_of(self, rides: Sequence[Ride]) -> bool:
        resident = self._slots.resident
        return bool(resident) and any(ride.slot.row in resident for ride in rides)

    def _state_of(self, slot: Slot) -> ResidentState:
        if slot is FRESH:
            return self._fresh
        return self._slots.resident.get(slot.row) or ResidentState(self._slots.read(slot))

    async def _bring(self, slots: Sequence[Slot]) -> None:
        wanted = {slot.row: state for slot in slots if (state := self._slots.resident.get(slot.row))}
        wanted = {row: state for row, state in wanted.items() if state.steps}
        if not wanted:
            return
        try:
            await self._brought.bring(wanted)
        except EngineFailed:
            # It may be somebody else's that could not be made.
            if not self._slots.is_at_hand(slots):
                raise

    def _idle(self) -> Wanted:
        """Those idle longest, which are the first, and of them so many."""
        since_s = self._clock.now() - _IDLE_S
        idle = takewhile(lambda held: held[1].since_s <= since_s, self._slots.resident.items())
        return dict(islice(idle, _MOST_SPILLED))

    def _has_come(self, row: int, state: ResidentState, states: tuple[Array, ...], is_replayed: bool) -> None:
        if self._slots.has_checkpoint(row, state, states):
            self._metrics.moved("replayed" if is_replayed else "checkpointed", 1)

    def _has_left(self, row: int, state: ResidentState, states: tuple[Array, ...], is_replayed: bool) -> None:
        if is_replayed:
            self._metrics.moved("replayed", 1)
        self._spill(row, state, states)

    def _spill(self, row: int, state: ResidentState, states: tuple[Array, ...]) -> None:
        if self._slots.leave(row, state, states):
            self._metrics.moved("spilled", 1)

    def _has_spilled(self, failure: EngineFailed | None) -> None:
        # Whoever could not be read stays, with its inputs.
        self._is_spilling = False

    def _tier_bytes(self, tier: str) -> int:
        resident = list(self._slots.resident.values())
        if tier == "inputs":
            return sum(state.size for state in resident)
        table = self._engine.capability.table
        if tier == "device":
            return table.in_use * table.row_bytes if table is not None else 0
        return int((self._slots.in_use - len(resident)) * self._slots.slot_bytes)


def _is_elsewhere(states: Sequence[ResidentState], table: StateTable) -> bool:
    """Whether one of them is in another table, or in this one from before it was given up."""
    epoch = table.epoch
    rows = [state.row for state in states if state.row is not None]
    return any(row.table is not table or row.epoch != epoch for row in rows)
