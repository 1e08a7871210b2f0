"""What a model takes and gives, and what this server can do: one description for every transport."""

from __future__ import annotations

from importlib.metadata import version as package_version
from typing import Any

from service.domain.signature import LENGTHS, OUTPUT, SEQUENCE, Signature

PLATFORM = "onnx_onnxv1"
EXTENSIONS = (
    "binary_tensor_data",
    "logging",
    "model_configuration",
    "model_repository",
    "model_repository(unload_dependents)",
    "sequence",
    "sequence(string_id)",
    "statistics",
)
_ANY = -1


def server_metadata() -> dict[str, Any]:
    """ServerMetadataResponse as plain values."""
    return {
        "name": "carousel",
        "version": package_version("carousel-serve"),
        "extensions": list(EXTENSIONS),
    }


def model_metadata(name: str, versions: list[str], signature: Signature) -> dict[str, Any]:
    """ModelMetadataResponse as plain values; -1 stands for any extent."""
    return {
        "name": name,
        "versions": versions,
        "platform": PLATFORM,
        "inputs": input_tensors(signature),
        "outputs": output_tensors(signature),
    }


def input_tensors(signature: Signature) -> list[dict[str, Any]]:
    """Name, datatype and shape with the batch in front; `lengths` may be left out.

    It is described as a column, `[batch, 1]`, and taken without the 1 too: to perf_analyzer a tensor of no
    extent beside the batch is one whose shape it was not told.
    """
    datatype = signature.step_datatype.value
    return [
        _tensor(SEQUENCE, datatype, [_ANY, _ANY, *signature.step_shape]),
        _tensor(LENGTHS, "INT32", [_ANY, 1]),
    ]


def output_tensors(signature: Signature) -> list[dict[str, Any]]:
    """The same of what comes back; per-step outputs are padded and come with their `lengths`."""
    if not signature.has_step_outputs:
        return [_tensor(OUTPUT, "FP32", [_ANY, *signature.output_shape])]
    return [
        _tensor(OUTPUT, "FP32", [_ANY, _ANY, *signature.output_shape]),
        _tensor(LENGTHS, "INT32", [_ANY]),
    ]


def _tensor(name: str, datatype: str, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape}
