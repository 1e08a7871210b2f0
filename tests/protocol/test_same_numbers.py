"""One question in every form REST has for it: the same numbers to the last bit."""

from __future__ import annotations

import asyncio

import numpy as np
from binary_bodies import LENGTH, announced, ask, framed, outputs_of
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_server import MemoryServer

FLOATS = st.floats(-(2.0**100), 2.0**100, width=32)


@given(st.lists(st.lists(FLOATS, min_size=1, max_size=9), min_size=1, max_size=4))
@settings(max_examples=30)
def test_json_bytes_and_raw_bytes_have_the_answers_of_predict(columns):
    sequences = [np.array([[value, 0.5] for value in column], np.float32) for column in columns]

    async def scenario():
        async with MemoryServer() as server:
            for model in ("sums", "running"):
                due = await predicted(server, model, sequences)
                assert await in_json(server, model, sequences) == due
                assert await in_bytes(server, model, sequences) == due
                assert [await raw(server, model, sequence) for sequence in sequences] == due

    asyncio.run(scenario())


async def predicted(server, model, sequences) -> list[bytes]:
    body = {"sequences": [sequence.tolist() for sequence in sequences], "include_outputs": True}
    rows = (await server.post(f"/predict/{model}", body)).json()["predictions"]
    return [np.array(row["output"], np.float32).tobytes() for row in rows]


async def in_json(server, model, sequences) -> list[bytes]:
    padded, ends = side_by_side(sequences, padding=9.0)
    inputs = [
        {"name": "sequence", "datatype": "FP32", "shape": padded.shape, "data": padded.tolist()},
        {"name": "lengths", "datatype": "INT32", "shape": ends.shape, "data": ends.tolist()},
    ]
    return rows_of(await server.post(f"/v2/models/{model}/infer", {"inputs": inputs}))


async def in_bytes(server, model, sequences) -> list[bytes]:
    padded, ends = side_by_side(sequences, padding=np.nan)
    inputs = [announced("lengths", ends, "INT32"), announced("sequence", padded)]
    request = {"inputs": inputs, "parameters": {"binary_data_output": True}}
    return rows_of(await ask(server, *framed(request, ends, padded), model))


async def raw(server, model, sequence) -> bytes:
    (row,) = rows_of(await ask(server, sequence.tobytes(), {LENGTH: "0"}, model))
    return row


def side_by_side(sequences, padding) -> tuple[np.ndarray, np.ndarray]:
    """`sequence` padded with what must not matter, and `lengths`."""
    ends = np.array([len(sequence) for sequence in sequences], np.int32)
    padded = np.full((len(sequences), ends.max(), 2), padding, np.float32)
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = sequence
    return padded, ends


def rows_of(answer) -> list[bytes]:
    outputs = outputs_of(answer)
    if "lengths" not in outputs:
        return [row.tobytes() for row in outputs["output"]]
    return [row[:end].tobytes() for row, end in zip(outputs["output"], outputs["lengths"], strict=True)]
