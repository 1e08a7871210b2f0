"""Every released bundle, by both routes and in every precision: the network's numbers, and a plan."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
from drawn import is_thorough
from network_interpreter import NetworkInterpreter
from recurrent_graphs import assert_equal_outputs, on_onnx_runtime
from tensorrt_here import network_of, plan_of, tensorrt

from service.domain.tensors import Array
from service.plans.network import PlanRefused, prepared_graph
from service.plans.plan import Precision, Route
from service.repository.golden import read_golden

MODELS = Path(__file__).parents[2] / "models"
BUNDLES = sorted(path.name for path in MODELS.iterdir() if (path / "1" / "model.onnx").exists())
WITHOUT_RECURRENT_NODES = ("winds",)
WAYS = [
    (name, route, precision)
    for name in BUNDLES
    for route in Route
    for precision in Precision
    if route is Route.HOISTED or (precision is Precision.FP32 and name not in WITHOUT_RECURRENT_NODES)
]
# Every day half precision of those bundles whose plan takes less than half a second, with recurrent nodes and
# without; and plans of these, of text, and of one that runs in both directions.
SMALL = {"digits", "winds"}
DAILY_WAYS = [
    (name, route, precision)
    for name, route, precision in WAYS
    if is_thorough() or precision is Precision.FP32 or name in SMALL
]
PLANNED = [
    (name, route, precision)
    for name, route, precision in DAILY_WAYS
    if is_thorough() or name in SMALL or (name in {"moby", "vowels"} and route is Route.HOISTED)
]
# Of an output's largest value. bfloat16 has 8 bits of fraction where float16 has 11.
# bf16 keeps eight bits: a column between two digits of `strips` is 0.51 a blank, or 0.38.
TOLERANCE = {Precision.FP32: 1e-5, Precision.FP16: 1e-2, Precision.BF16: 0.15}


@cache
def model_of(name: str) -> bytes:
    return (MODELS / name / "1" / "model.onnx").read_bytes()


def padded(sequences: list[Array]) -> dict[str, Array]:
    """A batch `[time, batch, *step]` of the sequences, each padded with its own first step."""
    steps = max(map(len, sequences))
    rows = [np.concatenate([row, np.repeat(row[:1], steps - len(row), axis=0)]) for row in sequences]
    return {
        "sequence": np.stack(rows, axis=1),
        "lengths": np.array([len(row) for row in sequences], np.int32),
    }


def states_of(name: str, rows: int, spread: float) -> dict[str, Array]:
    """Numbers within the spread for every state input of a bundle."""
    random = np.random.default_rng(rows)
    graph = onnx.load_model_from_string(model_of(name)).graph
    shapes = {
        value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim[1:]]
        for value in graph.input
        if value.name not in {"sequence", "lengths"}
    }
    return {
        state: random.uniform(-spread, spread, (rows, *shape)).astype(np.float32)
        for state, shape in shapes.items()
    }


def pieces(name: str, rows: int) -> list[Array]:
    """Pieces of the bundle's golden sequences, of random lengths up to 12."""
    random = np.random.default_rng(rows)
    sequences = read_golden(MODELS / name / "1").sequences
    return [sequences[row % len(sequences)][: random.integers(1, 13)] for row in range(rows)]


@cache
def graph_of(name: str, route: Route, precision: Precision) -> bytes:
    return prepared_graph(model_of(name), route, precision)


@cache
def interpreter_of(name: str, route: Route, precision: Precision) -> NetworkInterpreter:
    return NetworkInterpreter(tensorrt(), network_of(graph_of(name, route, precision)))


@cache
def golden_batch(name: str) -> tuple[dict[str, Array], dict[str, Array]]:
    """The bundle's golden sequences from zero states, and what its own graph answers."""
    sequences = read_golden(MODELS / name / "1").sequences
    feeds = padded(list(sequences)) | states_of(name, len(sequences), spread=0.0)
    return feeds, on_onnx_runtime(model_of(name), feeds)


@cache
def pieces_batch(name: str, rows: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """Pieces of them from states of any kind, and what its own graph answers."""
    feeds = padded(pieces(name, rows)) | states_of(name, rows, spread=0.9)
    return feeds, on_onnx_runtime(model_of(name), feeds)


def labels(name: str, output: Array) -> Array:
    """What a classifier answers; a forecast's numbers have no labels."""
    manifest = json.loads((MODELS / name / "1" / "manifest.json").read_text())
    return output.argmax(-1) if manifest["output"].get("labels") else np.zeros(0)


@pytest.mark.parametrize(("name", "route", "precision"), DAILY_WAYS)
def test_the_network_computes_the_golden_sequences(name, route, precision):
    feeds, due = golden_batch(name)
    found = interpreter_of(name, route, precision).run(feeds)
    assert_equal_outputs(found, due, TOLERANCE[precision])
    np.testing.assert_array_equal(labels(name, found["output"]), labels(name, due["output"]))


@pytest.mark.parametrize(("name", "route", "precision"), WAYS)
@pytest.mark.parametrize("rows", [1, 5])
def test_the_network_computes_pieces_of_any_length_from_any_state(name, route, precision, rows):
    feeds, due = pieces_batch(name, rows)
    found = interpreter_of(name, route, precision).run(feeds)
    assert_equal_outputs(found, due, TOLERANCE[precision])


@pytest.mark.parametrize("name", BUNDLES)
def test_half_precision_on_onnx_runtime_answers_alike(name):
    feeds, due = golden_batch(name)
    found = on_onnx_runtime(graph_of(name, Route.HOISTED, Precision.FP16), feeds)
    assert_equal_outputs(found, due, TOLERANCE[Precision.FP16])
    np.testing.assert_array_equal(labels(name, found["output"]), labels(name, due["output"]))


@pytest.mark.parametrize(("name", "route", "precision"), PLANNED)
def test_a_plan_of_fixed_time_comes_out_and_can_be_captured(name, route, precision):
    # As many steps as show that time is unrolled: each costs TensorRT the same again.
    plan = plan_of(graph_of(name, route, precision), steps=(2, 2, 2))
    assert b"stream_capturable=1" in plan


@pytest.mark.parametrize("name", sorted(SMALL))
def test_a_plan_of_any_time_comes_out_and_cannot_be_captured(name):
    plan = plan_of(graph_of(name, Route.HOISTED, Precision.FP16), steps=(1, 64, 1024))
    assert b"stream_capturable=0" in plan


@pytest.mark.parametrize("name", [name for name in BUNDLES if name not in WITHOUT_RECURRENT_NODES])
@pytest.mark.parametrize("precision", [Precision.FP16, Precision.BF16])
def test_the_parsers_route_is_refused_in_half_precision_by_node_and_reason(name, precision):
    with pytest.raises(PlanRefused, match=r"LSTM 'LSTM_\d+': sequence_lens in half precision"):
        prepared_graph(model_of(name), Route.PARSER, precision)


@pytest.mark.parametrize("name", WITHOUT_RECURRENT_NODES)
@pytest.mark.parametrize("precision", Precision)
def test_without_recurrent_nodes_both_routes_are_one(name, precision):
    graphs = {prepared_graph(model_of(name), route, precision) for route in Route}
    assert len(graphs) == 1
