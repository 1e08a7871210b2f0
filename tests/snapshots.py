"""Snapshots to keep, drawn or plain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as drawn

from service.domain.signature import StateSpec
from service.sessions.snapshot import Snapshot, fingerprint_of

SPECS = (StateSpec("h_in", "h_out", (2, 3)), StateSpec("c_in", "c_out", (2, 3)))
FINGERPRINT = fingerprint_of("ab" * 32, SPECS)


def a_snapshot(session_id: str = "s-1", rows: int = 2, **changes) -> Snapshot:
    numbers = np.arange(rows * 6, dtype=np.float32).reshape(rows, 2, 3)
    plain = Snapshot(
        session_id=session_id,
        model="gait",
        version="3",
        fingerprint=FINGERPRINT,
        rows=rows,
        step_number=7,
        steps_run=70,
        created_s=1000.0,
        used_s=1500.0,
        idle_limit_s=60.0,
        ttl_s=3600.0,
        states={"h_in": numbers, "c_in": -numbers},
    )
    return replace(plain, **changes)


def same(one: Snapshot, other: Snapshot) -> bool:
    """Equal to the last bit."""
    return _told(one) == _told(other)


def _told(snapshot: Snapshot) -> list[object]:
    states = [(name, array.shape, array.tobytes()) for name, array in snapshot.states.items()]
    answer = snapshot.answer
    rows = None if answer is None else [(array.shape, array.tobytes()) for array in answer]
    fields = [getattr(snapshot, name) for name in Snapshot.__slots__ if name not in {"states", "answer"}]
    return [*fields, states, rows]


_floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
_shapes = drawn.array_shapes(min_dims=0, max_dims=3, max_side=4)
_seconds = st.floats(0, 1e10)
_counts = st.integers(0, 2**62 - 1)


@st.composite
def snapshots(draw) -> Snapshot:
    """Any snapshot that a server could take."""
    rows = draw(st.integers(1, 3))
    names = draw(st.lists(st.text(min_size=1, max_size=20), unique=True, max_size=4))
    answers = drawn.arrays(np.float32, drawn.array_shapes(min_side=0, max_side=4), elements=_floats)
    return a_snapshot(
        session_id=draw(st.text(min_size=1, max_size=60)),
        rows=rows,
        step_number=draw(_counts),
        steps_run=draw(_counts),
        created_s=draw(_seconds),
        used_s=draw(_seconds),
        idle_limit_s=draw(_seconds),
        ttl_s=draw(_seconds),
        states={
            name: draw(drawn.arrays(np.float32, (rows, *draw(_shapes)), elements=_floats)) for name in names
        },
        answer=draw(st.none() | st.tuples(*[answers] * rows)),
    )
