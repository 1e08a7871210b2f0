"""What outputs mean in words."""

from __future__ import annotations

import numpy as np
import pytest

from service.domain.answers import (
    Classification,
    Forecast,
    Labelling,
    NextSymbol,
    Transcription,
    tensor_answer,
)

NO_SEQUENCE = np.zeros(0)


def peaks(*indices: int, count: int = 4) -> np.ndarray:
    """Per-step probabilities whose largest lies at each index."""
    output = np.full((len(indices), count), 0.1, np.float32)
    output[np.arange(len(indices)), indices] = 0.75
    return output


def test_a_classification_names_the_likeliest_label_and_all_probabilities():
    answer = Classification(("rest", "walk", "run"))(np.array([0.25, 0.5, 0.25], np.float32), NO_SEQUENCE)
    assert answer == {
        "label": "walk",
        "probability": 0.5,
        "probabilities": {"rest": 0.25, "walk": 0.5, "run": 0.25},
    }


def test_a_labelling_names_each_step():
    answer = Labelling(tuple("abcd"))(peaks(2, 0, 3), NO_SEQUENCE)
    assert answer == {"labels": ["c", "a", "d"], "probabilities": [0.75, 0.75, 0.75]}


@pytest.mark.parametrize(
    ("path", "text", "steps"),
    [
        ((0, 1, 1, 0, 1, 2), "aab", [1, 4, 5]),
        ((1, 1, 1), "a", [0]),
        ((1, 2, 1), "aba", [0, 1, 2]),
        ((0, 0, 0), "", []),
        ((3,), "c", [0]),
        ((0,), "", []),
        ((3, 0, 3, 3, 0), "cc", [0, 2]),
    ],
)
def test_a_transcription_merges_repeats_and_drops_blanks(path, text, steps):
    answer = Transcription(("", "a", "b", "c"), blank=0)(peaks(*path), NO_SEQUENCE)
    assert (answer["text"], answer["steps"]) == (text, steps)
    assert answer["probabilities"] == [0.75] * len(steps)


def test_a_blank_can_lie_anywhere_among_the_labels():
    answer = Transcription(("a", "b", "c", ""), blank=3)(peaks(0, 3, 0, 2), NO_SEQUENCE)
    assert answer["text"] == "aac"


def test_what_follows_is_named_likeliest_first_with_the_cost_of_what_was_sent():
    output = np.array([[0.5, 0.25, 0.25], [0.125, 0.125, 0.75], [0.2, 0.7, 0.1]], np.float32)
    answer = NextSymbol(("a", "b", "c"))(output, np.array([2, 0, 1]))
    assert [entry["symbol"] for entry in answer["next"]] == ["b", "a", "c"]
    assert answer["next"][0]["probability"] == pytest.approx(0.7)
    assert answer["bits_per_symbol"] == pytest.approx((1 + 3) / 2)


def test_a_single_symbol_has_nothing_to_be_foretold():
    answer = NextSymbol(("a", "b"))(np.array([[0.4, 0.6]], np.float32), np.array([0]))
    assert "bits_per_symbol" not in answer


def test_a_symbol_held_to_be_impossible_costs_much_but_not_without_end():
    output = np.array([[1.0, 0.0], [0.5, 0.5]], np.float32)
    assert 50 < NextSymbol(("a", "b"))(output, np.array([0, 1]))["bits_per_symbol"] < 200


def test_forecasts_and_bare_tensors_are_their_numbers():
    output = np.array([[1.5, 2.0]], np.float32)
    assert Forecast("m/s")(output, NO_SEQUENCE) == {"values": [[1.5, 2.0]], "unit": "m/s"}
    assert tensor_answer(output, NO_SEQUENCE) == {"output": [[1.5, 2.0]]}
