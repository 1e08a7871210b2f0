"""Vowels, digits, proteins and strips: shapes, parts that do not meet, and what is scored beside them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from model_export.baselines.nearest_image import nearest_texts
from model_export.baselines.nearest_warped import nearest_labels
from model_export.baselines.residue_votes import ResidueVotes
from model_export.datasets import digits, strips
from model_export.datasets.protein import AMINO_ACIDS, ProteinData, load_protein
from model_export.datasets.utterances import UtteranceData, Utterances
from model_export.datasets.vowels import load_vowels
from model_export.padded_batches import padded, similar_lengths
from model_export.transcription import edit_distance, error_rate_percent, greedy


def together(data: UtteranceData) -> list[bytes]:
    return [
        sequence.tobytes()
        for part in (data.training, data.validation, data.test)
        for sequence in part.sequences
    ]


def test_the_vowels_are_the_official_split() -> None:
    vowels = load_vowels()
    assert len(vowels.known.sequences) == 270
    assert len(vowels.test.sequences) == 370
    assert {sequence.shape[1] for sequence in vowels.test.sequences} == {12}
    assert np.bincount(vowels.training.labels).tolist() == [24] * 9
    assert np.bincount(vowels.validation.labels).tolist() == [6] * 9


def test_the_digits_are_halved_at_random_and_again_the_same() -> None:
    spoken, again = digits.load_digits(), digits.load_digits()
    assert [len(part.labels) for part in (spoken.training, spoken.validation, spoken.test)] == [
        1350,
        150,
        1500,
    ]
    assert {sequence.shape[1] for sequence in spoken.known.sequences} == {13}
    assert set(spoken.test.labels) == set(range(10))
    assert together(spoken) == together(again)


@pytest.mark.parametrize("load", [load_vowels, digits.load_digits])
def test_no_utterance_is_in_two_parts(load: Callable[[], UtteranceData]) -> None:
    recordings = together(load())
    assert len(set(recordings)) == len(recordings)


@pytest.fixture(scope="module")
def chains() -> ProteinData:
    return load_protein()


def test_no_protein_chain_is_in_two_parts(chains: ProteinData) -> None:
    parts = chains.training, chains.validation, chains.test
    assert [len(part) for part in parts] == [8340, 500, 500]
    names = [chain.name for part in parts for chain in part]
    assert len(set(names)) == 9340


def test_every_residue_has_a_label(chains: ProteinData) -> None:
    for chain in chains.validation:
        assert chain.residues.shape == chain.structure.shape
        assert 0 <= chain.residues.min() <= chain.residues.max() < len(AMINO_ACIDS)
        assert set(chain.structure) <= {0, 1, 2}


def test_no_image_of_the_test_strips_was_in_training() -> None:
    training, validation, test = strips.load_digits()
    parts = [{image.tobytes() for image in part.images} for part in (training, validation, test)]
    assert [len(part.labels) for part in (training, validation, test)] == [5400, 600, 1000]
    assert not parts[2] & (parts[0] | parts[1])
    assert not parts[0] & parts[1]


def test_strips_are_composed_again_the_same() -> None:
    _, validation, _ = strips.load_digits()
    first, again = (strips.compose(validation, 20, np.random.default_rng(4)) for _ in range(2))
    assert [s.columns.tobytes() for s in first] == [s.columns.tobytes() for s in again]
    for strip in first:
        assert strip.columns.shape[1] == strips.HEIGHT
        assert 3 <= len(strip.digits) <= 8
        assert 0 <= strip.columns.min() <= strip.columns.max() <= 1
        assert not strip.columns[0].any()
        assert not strip.columns[-1].any()


def test_a_batch_is_zero_past_each_rows_end() -> None:
    sequence, lengths = padded([np.ones((2, 3), np.float32), np.ones((4, 3), np.float32)])
    assert sequence.shape == (4, 2, 3)
    assert lengths.tolist() == [2, 4]
    assert sequence.sum(dim=(0, 2)).tolist() == [6, 12]


def test_a_pass_meets_every_row_once_beside_rows_of_similar_length() -> None:
    lengths = list(range(10, 110))
    batches = similar_lengths(lengths, 10, np.random.default_rng(1))
    one_pass = [next(batches) for _ in range(10)]
    assert sorted(np.concatenate(one_pass)) == list(range(100))
    assert max(np.ptp(np.array(lengths)[batch]) for batch in one_pass) < 50


def test_the_nearest_by_warping_is_the_same_word_said_slower() -> None:
    rise, fall = np.arange(4.0)[:, None], np.arange(4.0)[::-1, None]
    known = Utterances([rise, fall], np.array([7, 8]))
    asked = Utterances([np.repeat(fall, 3, axis=0), np.repeat(rise, 2, axis=0)], np.array([8, 7]))
    assert nearest_labels(known, asked).tolist() == [8, 7]


def test_residues_vote_better_than_the_commonest_label(chains: ProteinData) -> None:
    votes = ResidueVotes(chains.training[:500])
    found = np.concatenate([votes.labels(chain.residues) for chain in chains.validation[:50]])
    due = np.concatenate([chain.structure for chain in chains.validation[:50]])
    assert np.mean(found == due) > np.bincount(due).max() / len(due) + 0.1


def test_a_strip_with_gaps_is_read_by_its_nearest_images() -> None:
    training, _, _ = strips.load_digits()
    gap = np.zeros((3, strips.HEIGHT), np.float32)
    images = [training.images[index].T for index in (0, 5, 9)]
    columns = np.concatenate([part for image in images for part in (gap, image[image.any(axis=1)])] + [gap])
    strip = strips.Strip(columns, training.labels[[0, 5, 9]])
    assert nearest_texts(training, [strip])[0].tolist() == strip.digits.tolist()


def test_greedy_joins_repeats_and_drops_blanks() -> None:
    path = [2, 0, 0, 2, 0, 1, 1, 2]
    assert greedy(np.eye(3)[path], blank=2).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("found", "due", "edits"),
    [("", "12", 2), ("12", "12", 0), ("13", "12", 1), ("2", "12", 1), ("312", "12", 1)],
)
def test_the_edit_distance_counts_each_kind_of_edit(found: str, due: str, edits: int) -> None:
    mine, right = (np.array([int(digit) for digit in text], int) for text in (found, due))
    assert edit_distance(mine, right) == edits
    assert error_rate_percent([mine, right], [right, right]) == pytest.approx(100 * edits / 4)
