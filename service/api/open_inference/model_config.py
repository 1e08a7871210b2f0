"""A model's configuration as clients of the protocol read it, perf_analyzer among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from service.api.future import known_features
from service.api.open_inference.model_metadata import PLATFORM, input_tensors, output_tensors
from service.domain.signature import LENGTHS
from service.domain.version_policy import VersionPolicy
from service.repository.manifest import ONNX, Manifest
from service.repository.served_model import ServedModel
from service.sessions.sessions import Sessions


def model_config(model: ServedModel, policy: VersionPolicy, max_rows: int) -> dict[str, Any]:
    """ModelConfig as plain values; `max_rows` is the most rows of one request.

    Shapes are without the batch, as the protocol has them where `max_batch_size` is above 0. A model with
    `sequence_batching` keeps state between the requests of a sequence, and takes requests without one too.
    """
    signature = model.signature
    is_on_gpu = model.engines.capability.device == "gpu"
    return {
        "name": model.manifest.name,
        "platform": PLATFORM,
        "backend": model.engines.capability.engine,
        "version_policy": policy.as_config(),
        "max_batch_size": max_rows,
        "input": [_input(tensor) for tensor in input_tensors(signature)],
        "output": [_tensor(tensor) for tensor in output_tensors(signature)],
        "instance_group": [
            {"name": model.manifest.name, "kind": "KIND_GPU" if is_on_gpu else "KIND_CPU", "count": 1}
        ],
        "default_model_filename": ONNX,
        **_scheduling(model.sessions),
        "model_transaction_policy": {"decoupled": False},
        "parameters": {name: {"string_value": value} for name, value in _parameters(model.manifest)},
    }


def _parameters(manifest: Manifest) -> Iterator[tuple[str, str]]:
    yield "kind", manifest.kind.value
    yield "task", manifest.task.value
    if manifest.step.symbols:
        yield "symbols", orjson.dumps(manifest.step.symbols).decode()
    if manifest.feedback is not None:
        loop = manifest.feedback.loop(manifest.signature)
        future = {"shape": loop.known_shape, "features": known_features(loop, manifest)}
        yield "feedback", orjson.dumps(manifest.feedback.model_dump() | {"future": future}).decode()


def _scheduling(sessions: Sessions | None) -> dict[str, Any]:
    if sessions is None:
        return {"dynamic_batching": {}}
    limits = sessions.limits
    return {
        "sequence_batching": {
            "max_sequence_idle_microseconds": round(limits.idle_s * 1e6),
            "oldest": {"max_candidate_sequences": limits.max_sessions},
        }
    }


def _input(tensor: dict[str, Any]) -> dict[str, Any]:
    return _tensor(tensor) | {"optional": tensor["name"] == LENGTHS, "is_shape_tensor": False}


def _tensor(tensor: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": tensor["name"],
        "data_type": f"TYPE_{tensor['datatype']}",
        "dims": tensor["shape"][1:],
    }
