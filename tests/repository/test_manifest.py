"""The manifest: what does not agree with itself is refused by file and field."""

from __future__ import annotations

import json

import numpy as np
import pytest

from service.domain.signature import Readout, StateSpec
from service.domain.tensors import Datatype
from service.errors import InvalidBundle
from service.repository.manifest import MANIFEST, read_manifest
from service.repository.versions import is_version

SHA = "ab" * 32
GOOD = {
    "schema_version": 1,
    "name": "gait",
    "version": "3",
    "kind": "vanilla",
    "task": "classification",
    "description": "how somebody moves",
    "causal": True,
    "step": {"datatype": "FP32", "shape": [2, 3]},
    "output": {"shape": [2], "readout": "last", "labels": ["rest", "run"]},
    "states": [{"input": "h_in", "output": "h_out", "shape": [6]}],
    "tolerance": {"reference": 1e-5, "batched": 1e-5, "chunked": 1e-5},
    "files": {"model.onnx": SHA},
}
SYMBOLS = {"datatype": "INT32", "shape": [], "symbols": ["a", "b"]}
STEPWISE = {"shape": [2], "readout": "every_step", "labels": ["rest", "run"]}


def fed_back(to, of, **changes):
    """A forecaster whose steps have four positions and whose outputs have three."""
    return {
        "task": "forecast",
        "step": {"datatype": "FP32", "shape": [4]},
        "output": {"shape": [3], "readout": "last"},
        "feedback": {"step": to, "output": of},
    } | changes


def manifest_of(folder, changes):
    content = {key: value for key, value in (GOOD | changes).items() if value is not ...}
    (folder / MANIFEST).write_text(json.dumps(content))
    return read_manifest(folder)


def test_a_manifest_gives_the_signature_that_requests_need(tmp_path):
    signature = manifest_of(tmp_path, {}).signature
    assert signature.step_datatype is Datatype.FP32
    assert signature.step_shape == (2, 3)
    assert signature.step_bytes == 24
    assert signature.readout is Readout.LAST
    assert signature.states == (StateSpec("h_in", "h_out", (6,)),)
    assert signature.is_causal
    assert signature.symbol_count is None


def test_what_is_not_fed_back_is_to_be_known_and_lies_where_it_lay(tmp_path):
    manifest = manifest_of(tmp_path, fed_back([3, 1], [0, 2]))
    loop = manifest.feedback.loop(manifest.signature)
    assert (loop.known, loop.known_shape) == ([0, 2], (2,))
    step = loop.next_step(np.array([10, 20, 30], np.float32), np.array([1, 2], np.float32))
    np.testing.assert_array_equal(step, [[1, 30, 2, 10]])
    assert step.dtype == np.float32


def test_symbols_are_counted_for_the_range_check(tmp_path):
    assert manifest_of(tmp_path, {"step": SYMBOLS}).signature.symbol_count == 2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"schema_version": 2}, "schema_version"),
        ({"name": ...}, "name"),
        ({"name": ""}, "name"),
        ({"name": "../gait"}, "name"),
        ({"name": ".gait"}, "name"),
        ({"name": "ga it"}, "name"),
        ({"name": "gait\n"}, "name"),
        ({"name": "g" * 129}, "name"),
        ({"version": 3}, "version"),
        ({"version": "0"}, "version"),
        ({"version": "03"}, "version"),
        ({"version": "v3"}, "version"),
        ({"version": "3\n"}, "version"),
        ({"kind": "gru"}, "kind"),
        ({"task": "divination"}, "task"),
        ({"step": {"datatype": "FP16", "shape": [2]}}, "step.datatype"),
        ({"step": {"datatype": "FP32", "shape": [0]}}, "step.shape.0"),
        ({"step": {"datatype": "FP32", "shape": [-1]}}, "step.shape.0"),
        ({"step": {"datatype": "FP32", "shape": [1 << 21]}}, "step.shape.0"),
        ({"step": {"datatype": "FP32", "shape": [], "symbols": ["a"]}}, "step.symbols"),
        ({"step": SYMBOLS | {"shape": [2]}}, "step.symbols"),
        ({"output": {"shape": [2], "readout": "first"}}, "output.readout"),
        ({"output": {"shape": [3], "readout": "last", "labels": ["rest", "run"]}}, "output.labels: 2 labels"),
        (
            {"output": {"shape": [2, 1], "readout": "last", "labels": ["rest", "run"]}},
            "output.labels: 2 labels",
        ),
        ({"output": GOOD["output"] | {"blank": 0}}, "output.blank: given exactly when"),
        ({"output": STEPWISE, "task": "transcription"}, "output.blank: given exactly when"),
        ({"output": STEPWISE | {"blank": -1}, "task": "transcription"}, "output.blank"),
        ({"causal": False}, "states: a model that is not causal has none"),
        ({"states": [*GOOD["states"], *GOOD["states"]]}, "states: every input and output needs a name"),
        (
            {"states": [{"input": "h", "output": "h", "shape": [6]}]},
            "states: every input and output needs a name",
        ),
        ({"states": [{"input": "", "output": "h", "shape": [6]}]}, "states.0.input"),
        ({"tolerance": {"reference": 1e-5}}, "tolerance.batched"),
        ({"files": {}}, "files: model.onnx is missing"),
        ({"files": {"model.onnx": "no hash"}}, "files.model.onnx"),
        ({"files": {"model.onnx": SHA.upper()}}, "files.model.onnx"),
        ({"colour": "blue"}, "colour"),
        ({"output": GOOD["output"] | {"colour": "blue"}}, "output.colour"),
        ({"output": {"shape": [2], "readout": "last"}}, "output: classification needs labels"),
        ({"output": STEPWISE}, "output: classification needs labels and the readout last"),
        ({"task": "labelling"}, "output: labelling needs labels and the readout every_step"),
        (
            {"output": STEPWISE | {"blank": 2}, "task": "transcription"},
            "output.blank: 2 is none of the 2 labels",
        ),
        ({"output": STEPWISE, "task": "next_symbol"}, "step.symbols: where the task is next_symbol"),
        ({"output": STEPWISE, "task": "next_symbol", "step": SYMBOLS}, "step.symbols: where the task is"),
        ({"task": "next_symbol"}, "output: next_symbol needs labels and the readout every_step"),
        (fed_back([0], [0], states=[]), "feedback: only for a model with states"),
        (fed_back([0], [0], step={"datatype": "INT32", "shape": [2]}), "feedback: only for a model with"),
        (fed_back([], []), "feedback.step"),
        (fed_back([-1], [0]), "feedback.step.0"),
        (fed_back([0.5], [0]), "feedback.step.0"),
        (fed_back([4], [0]), "feedback.step: 4 is none of the 4 positions of the shape [4]"),
        (fed_back([0], [3]), "feedback.output: 3 is none of the 3 positions of the shape [3]"),
        (fed_back([0], [0], step={"datatype": "FP32", "shape": []}), "feedback.step: 0 is none of the 0"),
        (fed_back([1, 1], [0, 1]), "feedback.step: every position is given once"),
        (fed_back([0, 1], [0]), "feedback.output: 1 positions, the step has 2"),
        (
            fed_back([0], [0], step={"datatype": "FP32", "shape": [4, 5]}),
            "feedback.output: a position of the output has the shape [], one of the step [5]",
        ),
        (fed_back([0], [0]) | {"feedback": {"step": [0]}}, "feedback.output: Field required"),
    ],
)
def test_a_manifest_that_does_not_agree_with_itself_is_refused_by_field(changes, field, tmp_path):
    with pytest.raises(InvalidBundle) as refusal:
        manifest_of(tmp_path, changes)
    assert str(tmp_path / MANIFEST) in refusal.value.message
    assert field in refusal.value.message


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 10_000])
def test_a_file_that_is_no_manifest_is_refused_by_its_name(content, tmp_path):
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(InvalidBundle, match=MANIFEST):
        read_manifest(tmp_path)


def test_a_manifest_that_is_not_there_is_refused_by_its_name(tmp_path):
    with pytest.raises(InvalidBundle, match=f"{MANIFEST}: No such file"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("name", "is_one"),
    [(name, True) for name in ("1", "10", "9" * 18)]
    + [(name, False) for name in ("", "0", "01", "1.0", "-1", "latest", "1\n", "\u0661", "9" * 19)],
)
def test_a_version_is_a_positive_decimal_without_leading_zeros(name, is_one):
    assert is_version(name) == is_one
