"""POST /v2/models/{model}/infer in its JSON form.

Sequences of different length travel padded: `sequence [batch, time, *step]` with an optional
`lengths [batch]`; without it every row is `time` steps long. Where every step has an output the
answer is padded the same way and carries `lengths` again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from service.api.call import Call, check_media_type
from service.api.json_body import parsed_object, positive_number
from service.api.open_inference.tensors_json import tensor_from, tensor_json
from service.domain.inference import InferRequest, InferResult
from service.domain.signature import LENGTHS, OUTPUT, SEQUENCE, Signature
from service.domain.tensors import Array, Datatype
from service.errors import InvalidRequest
from service.predictor import Predictor

_FIELDS = frozenset({"id", "parameters", "inputs", "outputs"})
_ACCEPTED = (b"application/json",)
_MICROSECOND = 1e-6


class InferDoor:
    """The v2 inference request, JSON in and JSON out."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    async def __call__(self, call: Call) -> bytes:
        check_media_type(call.headers, _ACCEPTED)
        signature = self._predictor.registry.find(call.model, call.version).signature
        request, wanted, identity = _read(call, signature)
        result = await self._predictor.infer(request)
        response = _response(identity, result, _outputs(result.outputs, signature, wanted))
        return orjson.dumps(response, option=orjson.OPT_SERIALIZE_NUMPY)


def _read(call: Call, signature: Signature) -> tuple[InferRequest, set[str], Any]:
    """What is asked, the outputs that are wanted and the request's id; the parsed JSON ends here."""
    body = parsed_object(call.body, _FIELDS)
    wanted = _wanted(body)
    sequences = _sequences(body, signature)
    timeout_s = _timeout_s(body)
    request = InferRequest(call.model, sequences, call.version, timeout_s, call.is_abandoned)
    return request, wanted, body.get("id")


def _sequences(request: dict[str, Any], signature: Signature) -> list[Array]:
    inputs = _named_inputs(request)
    if SEQUENCE not in inputs:
        raise InvalidRequest(f"inputs: {SEQUENCE} is missing")
    padded = tensor_from(inputs[SEQUENCE], signature.step_datatype)
    expected = 2 + len(signature.step_shape)
    if padded.ndim != expected:
        wanted = ", ".join(["batch", "time", *map(str, signature.step_shape)])
        raise InvalidRequest(f"{SEQUENCE}: expected shape [{wanted}], got {list(padded.shape)}")
    if LENGTHS not in inputs:
        return list(padded)
    lengths = tensor_from(inputs[LENGTHS], None)
    _check_lengths(lengths, padded)
    return [row[:length] for row, length in zip(padded, lengths.tolist(), strict=True)]


def _named_inputs(request: dict[str, Any]) -> dict[str, dict[str, Any]]:
    inputs = request.get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(tensor, dict) for tensor in inputs):
        raise InvalidRequest("inputs: expected a list of tensors")
    named = {str(tensor.get("name")): tensor for tensor in inputs}
    if len(named) != len(inputs):
        raise InvalidRequest("inputs: every input is given once")
    if unknown := named.keys() - {SEQUENCE, LENGTHS}:
        raise InvalidRequest(
            f"inputs: unknown input {', '.join(sorted(unknown))}, known are {SEQUENCE}, {LENGTHS}"
        )
    return named


def _check_lengths(lengths: Array, padded: Array) -> None:
    if lengths.shape != padded.shape[:1] or lengths.dtype.kind not in "iu":
        raise InvalidRequest(f"{LENGTHS}: expected {len(padded)} whole numbers, one per row of {SEQUENCE}")
    if lengths.size and (lengths.min() < 1 or lengths.max() > padded.shape[1]):
        raise InvalidRequest(
            f"{LENGTHS}: expected 1 to {padded.shape[1]}, got {lengths.min()} to {lengths.max()}"
        )


def _timeout_s(request: dict[str, Any]) -> float | None:
    parameters = request.get("parameters")
    if parameters is None:
        return None
    if not isinstance(parameters, dict):
        raise InvalidRequest("parameters: expected an object")
    timeout = parameters.get("timeout")
    # Zero is the protocol's way to say none.
    if timeout is None or (timeout == 0 and timeout is not False):
        return None
    return positive_number(timeout, "parameters.timeout") * _MICROSECOND


def _response(identity: Any, result: InferResult, outputs: list[dict[str, Any]]) -> dict[str, Any]:
    timings = result.timings
    response: dict[str, Any] = {
        "model_name": result.model,
        "model_version": result.version,
        "parameters": {
            "device": result.device,
            "degraded": result.is_degraded,
            "queue_us": round(timings.queue_s / _MICROSECOND),
            "batch_us": round(timings.batch_s / _MICROSECOND),
            "compute_us": round(timings.compute_s / _MICROSECOND),
        },
        "outputs": outputs,
    }
    if identity:
        response["id"] = identity
    return response


def _wanted(request: dict[str, Any]) -> set[str]:
    outputs = request.get("outputs")
    if outputs is None:
        return {OUTPUT, LENGTHS}
    if not isinstance(outputs, list) or not all(isinstance(tensor, dict) for tensor in outputs):
        raise InvalidRequest("outputs: expected a list of objects with a name")
    names = {str(tensor.get("name")) for tensor in outputs}
    if unknown := names - {OUTPUT, LENGTHS}:
        raise InvalidRequest(
            f"outputs: unknown output {', '.join(sorted(unknown))}, known are {OUTPUT}, {LENGTHS}"
        )
    return names


def _outputs(outputs: list[Array], signature: Signature, wanted: set[str]) -> list[dict[str, Any]]:
    tensors = []
    if OUTPUT in wanted:
        stacked = padded_outputs(outputs) if signature.has_step_outputs else np.stack(outputs)
        tensors.append(tensor_json(OUTPUT, Datatype.FP32, stacked))
    if LENGTHS in wanted and signature.has_step_outputs:
        lengths = np.array([len(output) for output in outputs], dtype=np.int32)
        tensors.append(tensor_json(LENGTHS, Datatype.INT32, lengths))
    return tensors


def padded_outputs(outputs: list[Array]) -> Array:
    """Per-step outputs side by side, `[batch, time, …]`, zeros past each row's length."""
    longest = max(len(output) for output in outputs)
    padded = np.zeros((len(outputs), longest, *outputs[0].shape[1:]), dtype=outputs[0].dtype)
    for row, output in zip(padded, outputs, strict=True):
        row[: len(output)] = output
    return padded
