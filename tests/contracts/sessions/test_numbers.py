"""A session's numbers: however the stream is cut and wherever its steps are sent, those of the whole."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from drawn import examples
from every_door import DOORS
from hypothesis import given
from hypothesis import strategies as st
from questions import Question
from session_doors import SESSION_DOORS, Talk, WebSocket

identities = (f"talk-{number}" for number in itertools.count())
WEBSOCKETS = [name for name, door in SESSION_DOORS.items() if isinstance(door, WebSocket)]
# Whoever opened the session at one of these has no token to come to it over a WebSocket.
OTHERS = [name for name in SESSION_DOORS if name not in WEBSOCKETS]
cuts = st.lists(st.integers(1, 21), max_size=4, unique=True).map(sorted)


def chunks(sequence: np.ndarray, at: list[int]) -> list[np.ndarray]:
    return np.split(sequence, [cut for cut in at if cut < len(sequence)])


async def whole_answers(stage, shown, sequences) -> list[np.ndarray]:
    """What /predict says to each, alone."""
    asked = [Question(shown.name, [sequence]) for sequence in sequences]
    told = [(await DOORS["predict"].infer(stage.served, each)).outputs[0] for each in asked]
    return [output.reshape(-1, output.shape[-1]) for output in told]


def joined(shown, parts: list[np.ndarray]) -> np.ndarray:
    """What the answers to the chunks are for the whole."""
    return np.concatenate(parts) if shown.manifest.output.readout == "every_step" else parts[-1]


def assert_golden(shown, output: np.ndarray, due: np.ndarray) -> None:
    np.testing.assert_allclose(output, due.reshape(output.shape), rtol=0, atol=shown.tolerance)


@pytest.mark.parametrize("door", SESSION_DOORS.values(), ids=SESSION_DOORS)
def test_in_one_piece_a_session_answers_to_the_last_bit_what_predict_does(stage, shown, door):
    async def scenario() -> None:
        dues = await whole_answers(stage, shown, shown.golden.sequences)
        for sequence, due in zip(shown.golden.sequences, dues, strict=True):
            async with door.line(stage.served, Talk(shown.name, next(identities))) as line:
                (output,) = await line.step([sequence], ends=True)
            np.testing.assert_array_equal(output, due)

    stage.play(scenario())


@given(cuts, st.data())
@examples(8)
def test_the_same_cuts_are_the_same_numbers_at_every_door_and_golden(stage, shown, at, data):
    number = data.draw(st.integers(0, len(shown.golden.sequences) - 1))
    parts = chunks(shown.golden.sequences[number], at)

    async def scenario() -> None:
        first = None
        for name, door in SESSION_DOORS.items():
            async with door.line(stage.served, Talk(shown.name, next(identities))) as line:
                outputs = [
                    (await line.step([part], ends=index == len(parts)))[0]
                    for index, part in enumerate(parts, start=1)
                ]
            whole = joined(shown, outputs)
            assert_golden(shown, whole, shown.golden.outputs[number])
            first = whole if first is None else first
            np.testing.assert_array_equal(whole, first, err_msg=name)

    stage.play(scenario())


@pytest.mark.parametrize("door", SESSION_DOORS.values(), ids=SESSION_DOORS)
def test_several_rows_are_cut_each_in_its_own_places(stage, shown, door):
    golden = shown.golden
    rows = [chunks(s, at) for s, at in zip(golden.sequences, ([1, 9], [5, 6], [10, 11]), strict=True)]

    async def scenario() -> None:
        talk = Talk(shown.name, next(identities), rows=len(rows))
        async with door.line(stage.served, talk) as line:
            answers = [await line.step([row[index] for row in rows], ends=index == 2) for index in range(3)]
        for parts, due in zip(zip(*answers, strict=True), golden.outputs, strict=True):
            assert_golden(shown, joined(shown, list(parts)), due)

    stage.play(scenario())


def journey(first: list[str], others: list[str]) -> st.SearchStrategy[list[str]]:
    """Five doors, the first of which opens the session."""
    rest = st.lists(st.sampled_from(others), min_size=4, max_size=4)
    return st.tuples(st.sampled_from(first), rest).map(lambda ways: [ways[0], *ways[1]])


@given(journey(WEBSOCKETS, [*WEBSOCKETS, *OTHERS]) | journey(OTHERS, OTHERS), st.integers(1, 2))
@examples(20)
def test_every_step_may_be_sent_to_another_door(stage, shown, ways, rows):
    cut = [chunks(sequence, [2, 3, 8, 11]) for sequence in shown.golden.sequences[:rows]]

    async def scenario() -> None:
        talk, answers = Talk(shown.name, next(identities), rows), []
        for number, (way, parts) in enumerate(zip(ways, zip(*cut, strict=True), strict=True), start=1):
            door = SESSION_DOORS[way]
            async with door.line(stage.served, talk) as line:
                counted = {"number": number} if door.has_numbers else {}
                answers.append(await line.step(list(parts), ends=number == len(ways), **counted))
        for row, due in zip(zip(*answers, strict=True), shown.golden.outputs, strict=False):
            assert_golden(shown, joined(shown, list(row)), due)

    stage.play(scenario())
