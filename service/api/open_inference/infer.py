"""POST /v2/models/{model}/infer: tensors in JSON, as bytes behind it, or both.

Sequences of different length travel padded: `sequence [batch, time, *step]` with an optional
`lengths [batch]`; without it every row is `time` steps long. Where every step has an output the
answer is padded the same way and carries `lengths` again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from service.api.call import Call, Reply, check_media_type
from service.api.early_refusal import StatedTimeout, least_of_tensors, refuse_early
from service.api.json_body import parsed_object
from service.api.open_inference.answer import encoded
from service.api.open_inference.body import HEADER_LENGTH, split_body
from service.api.open_inference.inputs import InputReader, raw_sequences
from service.api.open_inference.outputs import output_tensors
from service.api.open_inference.parameters import MICROSECOND, checked_id, request_terms
from service.api.open_inference.wanted import Wanted, all_outputs, wanted_outputs
from service.domain.inference import InferRequest
from service.domain.signature import Signature
from service.errors import InvalidRequest
from service.predictor import Predictor

_TIMEOUT = StatedTimeout.of("timeout", MICROSECOND)
# KServe's client says the model's name in the body too.
_FIELDS = frozenset({"id", "model_name", "parameters", "inputs", "outputs"})
_JSON = (b"application/json",)
# Bytes are understood only where a header says where the JSON before them ends.
_JSON_AND_BYTES = (*_JSON, b"application/octet-stream")


_NO_PARAMETERS: dict[str, Any] = {}


class Question(NamedTuple):
    """What is asked, which outputs are wanted and how, and the request's id."""

    request: InferRequest
    wanted: Wanted
    identity: str


class InferDoor:
    """The v2 inference request."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    async def __call__(self, call: Call) -> Reply:
        check_media_type(call.headers, _JSON_AND_BYTES if HEADER_LENGTH in call.headers else _JSON)
        model = self._predictor.registry.find(call.model, call.version)
        signature = model.signature
        refuse_early(model, call.body, _TIMEOUT, least_of_tensors)
        question = _read(call, signature)
        # JSON need not be in memory while the request waits; bytes are what the sequences look into.
        del call
        result = await self._predictor.infer(question.request)
        names, binary = question.wanted
        return encoded(result, question.identity, output_tensors(result.outputs, signature, names), binary)


def _read(call: Call, signature: Signature) -> Question:
    """The parsed JSON ends here; the bytes behind it are kept for as long as the request waits."""
    body = split_body(call.headers, call.body)
    if body is not None and body.is_raw:
        request = InferRequest(
            call.model,
            raw_sequences(body, signature),
            call.version,
            is_abandoned=call.is_abandoned,
            held_bytes=len(call.body),
            trace=call.trace,
        )
        return Question(request, all_outputs(signature, is_binary=True), "")
    parsed = parsed_object(call.body if body is None else body.header, _FIELDS)
    if (name := parsed.get("model_name")) is not None and name != call.model:
        raise InvalidRequest(f"model_name: got {name}, the path asks {call.model}")
    parameters = _parameters(parsed)
    wanted = wanted_outputs(parsed.get("outputs"), parameters, signature)
    sequences = InputReader(signature, body).sequences(parsed.get("inputs"))
    timeout_s, priority, stream = request_terms(parameters)
    held_bytes = 0 if body is None else len(call.body)
    request = InferRequest(
        call.model,
        sequences,
        call.version,
        timeout_s,
        call.is_abandoned,
        priority,
        held_bytes,
        call.trace,
        stream,
    )
    return Question(request, wanted, checked_id(parsed.get("id")))


def _parameters(parsed: dict[str, Any]) -> dict[str, Any]:
    parameters = parsed.get("parameters", _NO_PARAMETERS)
    if parameters is None:
        return _NO_PARAMETERS
    if not isinstance(parameters, dict):
        raise InvalidRequest("parameters: expected an object")
    return parameters
