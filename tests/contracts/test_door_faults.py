"""The same fault in JSON, the same refusal at both HTTP doors; who is in flight meanwhile is unharmed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from doors import DOORS, body_of
from fakes import running_sum
from memory_server import MemoryServer
from on_a_loop import on_a_loop


@dataclass(frozen=True)
class Fault:
    """A sequence as JSON text that both doors must refuse, the v2 shape it is declared with, and how."""

    name: str
    sequence: str
    shape: tuple[int, ...]
    status: int
    words: str
    model: str = "sums"


FAULTS = [
    Fault("ragged", "[[1, 2], [3]]", (2, 2), 400, "differ in shape"),
    Fault("ragged deep down", "[[1, 2], [3, [4]]]", (2, 2), 400, "differ in shape"),
    Fault("steps without values", "[[], []]", (2, 0), 400, "is empty"),
    Fault("NaN", "[[1, NaN]]", (1, 2), 400, "NaN and Infinity are not JSON"),
    Fault("Infinity", "[[1, Infinity]]", (1, 2), 400, "NaN and Infinity are not JSON"),
    Fault("minus Infinity", "[[1, -Infinity]]", (1, 2), 400, "NaN and Infinity are not JSON"),
    Fault("beyond float64", "[[1, 2], [3, 1e400]]", (2, 2), 400, "infinity"),
    Fault("beyond float32", "[[1, 2], [3, 1e39]]", (2, 2), 400, "step 1, value 1 is not a finite float32"),
    Fault("beyond float32, negative", "[[-1e39, 2]]", (1, 2), 400, "step 0, value 0 is not a finite float32"),
    Fault("strings", '[["1", "2"]]', (1, 2), 400, "strings"),
    Fault("a string among numbers", '[[1, "2"]]', (1, 2), 400, "strings"),
    Fault("null", "[[1, null]]", (1, 2), 400, "nulls"),
    Fault("booleans", "[[true, false]]", (1, 2), 400, "true or false"),
    Fault("a boolean among numbers", "[[1.5, 2], [3, true]]", (2, 2), 400, "true or false"),
    Fault("objects", '[{"a": 1}]', (1, 2), 400, "sequence"),
    Fault("an object among numbers", '[[1, {"a": 1}]]', (1, 2), 400, "sequence"),
    Fault("symbol beyond 64 bits", "[1, 99999999999999999999]", (2,), 400, "whole numbers", "letters"),
    Fault("symbol that is a fraction", "[1.5]", (1,), 400, "fractions", "letters"),
    Fault("symbol that is true", "[true, 1]", (2,), 400, "true or false", "letters"),
]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@on_a_loop
async def test_a_fault_is_refused_by_name_and_the_neighbour_in_flight_is_unharmed(fault, door):
    async with MemoryServer(max_sequence_steps=50, default_timeout_s=5) as server:
        neighbour = await server.hold(steps=(3, 5))
        refusal = await server.post(
            DOORS[door].format(fault.model), body_of(door, fault.sequence, fault.shape, fault.model)
        )
        server.backends["sums"].gate.set()
        answer = await neighbour
        message = refusal.json()["error"]
        assert refusal.status_code == fault.status, message
        assert fault.words in message
        assert message.startswith(("sequence", "body: not valid JSON"))
        assert refusal.headers["content-type"] == "application/json"
        due = [running_sum(np.array([[n, 1] for n in range(steps)]))[-1].tolist() for steps in (3, 5)]
        assert [row["output"] for row in answer.json()["predictions"]] == due
