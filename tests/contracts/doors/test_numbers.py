"""Every door gives the same numbers to the last bit, and is told the version and the id it asked with."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import examples
from every_door import DOORS, Predict
from fakes import running_sum
from grpc_door import GrpcDoor
from hypothesis import given
from hypothesis import strategies as st
from on_a_loop import on_a_loop
from questions import Question, Served, serving_bundles

from service.repository.golden import read_golden

# Small enough that no sum leaves float32; -0.0 and numbers below the normal ones are among them.
VALUES = st.floats(-(2.0**60), 2.0**60, width=32)
SEQUENCE = st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=9).map(lambda s: np.array(s, np.float32))


@given(st.lists(SEQUENCE, min_size=1, max_size=4))
@examples(20)
def test_rows_of_any_numbers_and_lengths(sequences):
    @on_a_loop
    async def scenario():
        async with GrpcDoor() as server:
            served = Served.by(server)
            for model, part in (("sums", slice(-1, None)), ("running", slice(None))):
                due = [running_sum(sequence)[part].tobytes() for sequence in sequences]
                for name, door in DOORS.items():
                    assert (await door.infer(served, Question(model, sequences))).bits == due, name

    scenario()


@on_a_loop
async def test_symbols():
    sequences = [np.array(symbols, np.int32) for symbols in ([7, 0, 3], [1], [2, 2, 2, 5, 6])]
    async with GrpcDoor() as server:
        for name, door in DOORS.items():
            answer = await door.infer(Served.by(server), Question("letters", sequences))
            assert answer.bits == [running_sum(sequence).tobytes() for sequence in sequences], name


@pytest.mark.parametrize("model", ["gait", "letters"])
def test_real_bundles_alone_and_side_by_side(published, model):
    sequences = list(read_golden(published / model / "1").sequences)

    @on_a_loop
    async def scenario():
        async with serving_bundles(published) as served:
            for asked in ([one] for one in sequences):
                due = await DOORS["predict"].infer(served, Question(model, asked))
                for name, door in DOORS.items():
                    assert (await door.infer(served, Question(model, asked))).bits == due.bits, name
            alone = [
                (await DOORS["predict"].infer(served, Question(model, [one]))).outputs[0] for one in sequences
            ]
            for door in DOORS.values():
                together = await door.infer(served, Question(model, sequences))
                for row, output in zip(together.outputs, alone, strict=True):
                    np.testing.assert_allclose(row, output, atol=1e-6)

    scenario()


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@on_a_loop
async def test_a_version_an_id_and_a_time_limit(door):
    question = Question("sums", [np.array([[1, 2]], np.float32)], "1", "mine-7", timeout_s=20)
    async with GrpcDoor() as server:
        answer = await door.infer(Served.by(server), question)
        assert answer.version == "1"
        assert answer.identity == (None if isinstance(door, Predict) else "mine-7")
        assert answer.bits == [running_sum(question.sequences[0])[-1].tobytes()]
