"""Reading a model file: its constants inside its own folder, plain operators only, a recent operator set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
import onnx.external_data_helper
import onnx.inliner
import onnx.version_converter

from model_export.onnx_import.refusal import ImportRefused

OLDEST_OPSET = 7
# The first set in which Squeeze, Unsqueeze and ReduceSum take their axes as a tensor.
WRITTEN_OPSET = 13
# What one protobuf message can hold, and so a model without data files of its own.
_LARGEST_FILE = (1 << 31) - 1


def read_model(path: Path) -> onnx.ModelProto:
    """The model with its weights, functions inlined; raises ImportRefused naming the file or tensor."""
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as failure:
        raise ImportRefused(path.name, f"cannot be read as an ONNX model: {failure}") from failure
    outside = [
        tensor for tensor in _tensors(model.graph) if onnx.external_data_helper.uses_external_data(tensor)
    ]
    files = {path, *(_data_file(tensor, path) for tensor in outside)}
    if sum(file.stat().st_size for file in files) > _LARGEST_FILE:
        raise ImportRefused(path.name, "holds more than 2 GiB, which a model in one file cannot")
    try:
        onnx.external_data_helper.load_external_data_for_model(model, str(path.parent))
    except Exception as failure:
        raise ImportRefused(path.name, f"its weights cannot be read: {failure}") from failure
    if len(model.functions):
        model = onnx.inliner.inline_local_functions(model)
    if len(model.graph.sparse_initializer):
        raise ImportRefused(model.graph.sparse_initializer[0].values.name, "sparse weights are not supported")
    return _recent(model, path)


def _data_file(tensor: onnx.TensorProto, path: Path) -> Path:
    """The file a tensor's data lies in; raises ImportRefused where that is not in the model's folder."""
    folder = path.parent.resolve()
    location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
    file = (folder / location).resolve()
    if not location or not file.is_relative_to(folder):
        raise ImportRefused(tensor.name, f"its data lies outside the model's folder: {location!r}")
    if not file.is_file():
        raise ImportRefused(tensor.name, f"its data file {location!r} is missing beside {path.name}")
    return file


def _recent(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if opset < OLDEST_OPSET:
        raise ImportRefused(path.name, f"uses operator set {opset}; {OLDEST_OPSET} is the oldest supported")
    if opset >= WRITTEN_OPSET:
        return model
    try:
        return onnx.version_converter.convert_version(model, WRITTEN_OPSET)
    except Exception as failure:
        reason = f"cannot be brought from operator set {opset} to {WRITTEN_OPSET}: {failure}"
        raise ImportRefused(path.name, reason) from failure


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from attribute.tensors
            if attribute.HasField("t"):
                yield attribute.t
            for inner in [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]:
                yield from _tensors(inner)
