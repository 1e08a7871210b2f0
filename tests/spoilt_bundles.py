"""Bundles spoilt in every way there is, and what a server says of each."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from model_export.graph_writer import GraphWriter
from model_export.onnx_file import write_onnx
from service.domain.signature import Readout
from service.domain.tensors import Datatype
from service.repository.golden import GoldenVectors, read_golden, write_golden
from service.repository.manifest import GOLDEN, MANIFEST, ONNX


def seal(folder: Path, **changes: Any) -> None:
    """Make the manifest agree with the files as they are now."""
    content = json.loads((folder / MANIFEST).read_text()) | changes
    content["files"] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in content["files"]
    }
    (folder / MANIFEST).write_text(json.dumps(content))


def golden_is_off(folder: Path) -> None:
    golden = read_golden(folder)
    write_golden(folder, GoldenVectors(golden.sequences, tuple(output + 0.01 for output in golden.outputs)))


def golden_is_not_finite(folder: Path) -> None:
    golden = read_golden(folder)
    write_golden(folder, GoldenVectors(golden.sequences, tuple(output * np.nan for output in golden.outputs)))


def golden_is_of_another_shape(folder: Path) -> None:
    golden = read_golden(folder)
    write_golden(folder, GoldenVectors(golden.sequences, tuple(output[:-1] for output in golden.outputs)))


def golden_sequence_is_of_another_shape(folder: Path) -> None:
    golden = read_golden(folder)
    write_golden(
        folder, GoldenVectors(tuple(s[:, :1].repeat(5, axis=1) for s in golden.sequences), golden.outputs)
    )


def golden_sequence_is_empty(folder: Path) -> None:
    golden = read_golden(folder)
    write_golden(folder, GoldenVectors(tuple(s[:0] for s in golden.sequences), golden.outputs))


def golden_lacks_an_output(folder: Path) -> None:
    np.savez(folder / GOLDEN, sequence_0=np.zeros((3, 2), np.float32))


def golden_is_torn(folder: Path) -> None:
    whole = (folder / GOLDEN).read_bytes()
    (folder / GOLDEN).write_bytes(whole[: len(whole) // 2])


def golden_is_damaged_inside(folder: Path) -> None:
    content = bytearray((folder / GOLDEN).read_bytes())
    content[60:90] = bytes(30)
    (folder / GOLDEN).write_bytes(content)


def golden_is_a_pickle(folder: Path) -> None:
    np.savez(folder / GOLDEN, sequence_0=np.array([{"a": 1}], dtype=object), output_0=np.zeros(3))


def onnx_is_torn(folder: Path) -> None:
    whole = (folder / ONNX).read_bytes()
    (folder / ONNX).write_bytes(whole[: len(whole) // 2])


def onnx_is_somebody_else_s(folder: Path) -> None:
    shutil.copy(folder.parents[1] / "letters" / "1" / ONNX, folder / ONNX)


def onnx_reads_elsewhere(folder: Path) -> None:
    model = onnx.load(folder / ONNX)
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../../letters/1/model.onnx")
    write_onnx(model, folder / ONNX)


def manifest_names_another_state(folder: Path) -> None:
    content = json.loads((folder / MANIFEST).read_text())
    content["states"][0]["input"] = "nobody_in"
    (folder / MANIFEST).write_text(json.dumps(content))


def manifest_gives_another_step(folder: Path) -> None:
    content = json.loads((folder / MANIFEST).read_text())
    content["step"] = {"datatype": "FP32", "shape": [7]}
    (folder / MANIFEST).write_text(json.dumps(content))


def onnx_gives_one_number(folder: Path) -> None:
    """A graph whose output has too few dimensions for its readout."""
    content = json.loads((folder / MANIFEST).read_text())
    content |= {"task": "labelling", "output": content["output"] | {"readout": "every_step"}}
    (folder / MANIFEST).write_text(json.dumps(content))
    graph = GraphWriter("short", Datatype.FP32, (2,))
    graph.output(graph.node("Cast", graph.lengths, to=1), Readout.LAST, ())
    for state in content["states"]:
        name = state["input"].removesuffix("_in")
        graph.new_state(name, graph.state(name, tuple(state["shape"])))
    model = graph.model()
    # Only running it tells.
    model.graph.output[0].type.tensor_type.ClearField("shape")
    write_onnx(model, folder / ONNX)


FAULTS = {
    golden_is_off: "golden vector 0 on cpu is off by 0.01, its tolerance is",
    golden_is_not_finite: "golden vector 0 on cpu is off by nan",
    golden_is_of_another_shape: "golden vector 0",
    golden_sequence_is_of_another_shape: "golden vector 0",
    golden_sequence_is_empty: "golden vector 0",
    golden_lacks_an_output: "golden.npz: not readable",
    golden_is_torn: "golden.npz: not readable",
    golden_is_damaged_inside: "golden.npz: not readable",
    golden_is_a_pickle: "golden.npz: sequence_0.npy: has object in the shape (1,): expected numbers",
    onnx_is_torn: "model.onnx: is not a whole protobuf message",
    onnx_is_somebody_else_s: "model.onnx: inputs: are ",
    onnx_reads_elsewhere: "its data lies outside this file, in '../../letters/1/model.onnx'",
    onnx_gives_one_number: "gives the shape [1], due is [3, 1]",
    manifest_names_another_state: "model.onnx: inputs: are ",
    manifest_gives_another_step: "input 'sequence': has the shape [?, ?, 2]: expected [?, ?, 7]",
}
