"""The table of states: what is put in comes out, and nobody sees another's."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.batching.slot import FRESH
from service.batching.state_slots import StateSlots
from service.domain.device_states import DeviceRow, ResidentState
from service.domain.signature import Readout, Signature, StateSpec
from service.domain.tensors import Datatype

SIGNATURE = Signature(
    Datatype.FP32, (2,), (2,), Readout.LAST, (StateSpec("h", "h2", (2, 3)), StateSpec("c", "c2", (1,))), None
)


def states_of(*values: float):
    return tuple(
        np.stack([np.full(spec.shape, value, np.float32) for value in values]) for spec in SIGNATURE.states
    )


def values_of(gathered) -> list[float]:
    return [float(row.flat[0]) for row in gathered[0]]


actions = st.lists(
    st.tuples(st.sampled_from(["take", "release", "commit", "late"]), st.integers(0, 200)), max_size=300
)


@given(actions)
def test_every_tenant_finds_what_it_left_and_nobody_else_s(script):
    slots, tenants, gone = StateSlots(SIGNATURE), {}, []
    for number, (verb, index) in enumerate(script, start=1):
        held = list(tenants)
        if verb == "take":
            slot = slots.take()
            assert slot not in tenants
            slots.commit([slot], [0], states_of(number))
            tenants[slot] = float(number)
        elif verb == "late" and gone:
            slots.commit([gone[index % len(gone)]], [0], states_of(-number))
            slots.release(gone[index % len(gone)])
        elif held and verb == "release":
            slot = held[index % len(held)]
            slots.release(slot)
            del tenants[slot]
            gone.append(slot)
        elif held and verb == "commit":
            chosen = held[: 1 + index % len(held)]
            slots.commit(
                chosen, list(range(len(chosen))), states_of(*[number + i / 1024 for i in range(len(chosen))])
            )
            tenants |= {slot: number + i / 1024 for i, slot in enumerate(chosen)}
        assert values_of(slots.gather(list(tenants))) == list(tenants.values())
        assert slots.in_use == len(tenants)
    assert values_of(slots.gather([FRESH])) == [0.0], "a fresh sequence starts from zeros"


def test_a_state_that_has_been_followed_by_another_changes_nothing_when_it_arrives():
    slots = StateSlots(SIGNATURE)
    slot, table = slots.take(), SimpleNamespace(epoch=0, give_back=lambda _: None)
    before = ResidentState(slots.read(slot), DeviceRow(table, 1))
    now = before.after(np.ones((1, 2), np.float32), DeviceRow(table, 2), 0.0)
    slots.keep(slot, now)
    late = tuple(rows[0] for rows in states_of(9.0))
    assert not slots.has_checkpoint(slot.row, before, late)
    assert not slots.leave(slot.row, before, late)
    assert slots.resident == {slot.row: now}
    assert slots.has_checkpoint(slot.row, now, late)
    assert values_of(slots.gather([slot])) == [9.0]


def test_what_a_late_batch_leaves_on_a_device_is_not_the_next_tenant_s():
    slots = StateSlots(SIGNATURE)
    gone = slots.take()
    slots.release(gone)
    assert slots.take().row == gone.row
    row = DeviceRow(SimpleNamespace(epoch=0, give_back=lambda _: None), 1)
    slots.keep(gone, ResidentState(slots.read(FRESH), row))
    slots.keep(FRESH, ResidentState(slots.read(FRESH), row))
    assert slots.resident == {}


def test_whoever_stepped_last_is_last_and_zeros_are_nowhere_else():
    slots = StateSlots(SIGNATURE)
    first, second = slots.take(), slots.take()
    table = SimpleNamespace(epoch=0, give_back=lambda _: None)
    for index, slot in enumerate([first, second, first]):
        slots.keep(slot, ResidentState(slots.read(slot), DeviceRow(table, index)))
    assert list(slots.resident) == [second.row, first.row]
    slots.reset([second])
    assert list(slots.resident) == [first.row]


def test_nothing_is_ever_stored_for_the_fresh():
    slots = StateSlots(SIGNATURE)
    slots.commit([FRESH], [0], states_of(5.0))
    slots.release(FRESH)
    assert values_of(slots.gather([FRESH])) == [0.0]
    assert slots.take() != FRESH
