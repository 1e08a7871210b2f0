"""Progress: phases within phases rise from 0 to 1, and an interrupt waits for TensorRT."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.plans.progress import BuildProgress

trees = st.recursive(
    st.just([]),
    lambda children: st.lists(st.lists(children, max_size=2), min_size=1, max_size=3),
    max_leaves=12,
)


def walk(progress, tree, name, parent):
    """Each step of a phase may hold phases of its own."""
    progress.start(name, parent, len(tree))
    for step, children in enumerate(tree):
        for index, child in enumerate(children):
            walk(progress, child, f"{name}.{step}.{index}", name)
        assert progress.step(name, step)
    progress.finish(name)


@given(trees)
def test_the_fraction_rises_and_ends_at_one(tree):
    told = []
    walk(BuildProgress(lambda _, fraction: told.append(fraction)), tree, "build", None)
    assert told == sorted(told)
    assert told[0] == 0.0
    assert told[-1] == pytest.approx(1.0 if tree else 0.0)


def test_phases_out_of_the_book_do_no_harm():
    told = []
    progress = BuildProgress(lambda phase, fraction: told.append((phase, fraction)))
    progress.step("never started", 3)
    progress.finish("never started")
    progress.start("orphan", "nobody", 0)
    progress.step("orphan", 7)
    assert told[-1] == ("orphan", 1.0)


def test_what_the_listener_raises_stops_the_build_and_is_kept():
    def interrupted(phase, fraction):
        raise KeyboardInterrupt

    progress = BuildProgress(interrupted)
    progress.start("build", None, 2)
    assert not progress.step("build", 0)
    assert isinstance(progress.failure, KeyboardInterrupt)
