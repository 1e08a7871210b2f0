"""All that is checked of an ONNX file before a runtime opens it."""

from __future__ import annotations

from pathlib import Path

from service.domain.signature import Signature
from service.errors import InvalidBundle
from service.repository.model_file.contract import check_contract
from service.repository.model_file.graphs import GraphCheck
from service.repository.model_file.messages import Message, read_model
from service.repository.model_file.operators import check_versions

_MAX_METADATA = 256
# Where ONNX Runtime looks for its own format, whatever else the bytes may be.
_ORT_FORMAT = slice(4, 8), b"ORTM"


def look_through(content: bytes, signature: Signature, path: Path) -> None:
    """Raises InvalidBundle naming the file, the node or tensor, what is wrong and what would be right."""
    try:
        _check(content, signature)
    except InvalidBundle as failure:
        raise InvalidBundle(f"{path}: {failure.message}") from None


def _check(content: bytes, signature: Signature) -> None:
    place, mark = _ORT_FORMAT
    if content[place] == mark:
        raise InvalidBundle("is in ONNX Runtime's own format: expected ONNX")
    model = read_model(content)
    opset = check_versions(model)
    _refuse_extras(model)
    graph = model.one("graph")
    if graph is None:
        raise InvalidBundle("is not an ONNX model: it has no graph")
    GraphCheck(opset).check(graph)
    check_contract(graph, signature)


def _refuse_extras(model: Message) -> None:
    if "functions" in model:
        names = ", ".join(repr(function.one("name", "")) for function in model.all("functions")[:3])
        raise InvalidBundle(f"functions: has {names}: expected them written out, as `carousel import` does")
    if "training_info" in model:
        raise InvalidBundle("training_info: is there: expected a model for inference")
    metadata = [entry.one("key", "") for entry in model.all("metadata_props")]
    if len(metadata) > _MAX_METADATA:
        raise InvalidBundle(
            f"metadata_props: has {len(metadata):,} entries: expected {_MAX_METADATA} at most"
        )
    # ONNX Runtime can be told to take its session's options from there.
    if "ort_config" in metadata:
        raise InvalidBundle("metadata_props: has 'ort_config': expected no settings of the runtime")
