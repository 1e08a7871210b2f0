"""The memory experiment, small: its sequences, its start, and its picture."""

from __future__ import annotations

from pathlib import Path

import torch

from model_export.memory_task import (
    STEPS,
    LearningCurve,
    MemoryResult,
    adding_batch,
    plot,
    remember_long,
)


def test_one_number_is_marked_in_each_half_and_the_answer_is_their_sum() -> None:
    sequence, sums = adding_batch(50, torch.Generator().manual_seed(1))
    numbers, marks = sequence.unbind(dim=2)
    assert sequence.shape == (STEPS, 50, 2)
    assert (marks[: STEPS // 2].sum(dim=0) == 1).all()
    assert (marks[STEPS // 2 :].sum(dim=0) == 1).all()
    torch.testing.assert_close((numbers * marks).sum(dim=0), sums)


def test_the_same_seed_gives_the_same_sequences() -> None:
    first, second = (adding_batch(3, torch.Generator().manual_seed(4))[0] for _ in range(2))
    assert torch.equal(first, second)


def test_units_that_remember_long_keep_what_they_hold_between_1_and_all_steps() -> None:
    lstm = torch.nn.LSTM(2, 64)
    remember_long(lstm, STEPS)
    i, f, g, o = (lstm.bias_ih_l0 + lstm.bias_hh_l0).detach().chunk(4)
    steps_kept = f.exp()
    assert steps_kept.min() >= 1
    assert STEPS / 2 < steps_kept.max() < STEPS
    torch.testing.assert_close(i, -f)
    assert not g.any()
    assert not o.any()


def test_the_picture_is_a_png(tmp_path: Path) -> None:
    curve = LearningCurve("LSTM", (1.0, 0.5, 0.1), 0.1)
    plot(MemoryResult(STEPS, 32, 0.17, curve, curve), tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
