"""POST /predict/{model}: plain JSON in, answers in the model's own words out."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from service.api.call import Call, Reply, check_media_type
from service.api.early_refusal import StatedTimeout, least_of_lists, refuse_early
from service.api.json_body import parsed_object, positive_number
from service.domain.answers import Answer
from service.domain.inference import InferRequest, InferResult
from service.domain.priority import DEFAULT, HIGHEST, LOWEST
from service.domain.sequences import nested_list_array
from service.domain.tensors import Array
from service.errors import InvalidRequest
from service.predictor import Predictor
from service.repository.served_model import ServedModel

_TIMEOUT = StatedTimeout.of("timeout_ms", 1e-3)
FIELDS = frozenset({"sequence", "sequences", "timeout_ms", "priority", "include_outputs"})
ACCEPTED = (b"application/json",)


class PredictDoor:
    """One sequence or several, of any lengths, as nested lists or, where steps are symbols, as text."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    async def __call__(self, call: Call) -> Reply:
        check_media_type(call.headers, ACCEPTED)
        model = self._predictor.registry.find(call.model, call.version)
        refuse_early(model, call.body, _TIMEOUT, least_of_lists)
        request, with_outputs = _read(call, model)
        # The body need not be in memory while the request waits.
        del call
        result = await self._predictor.infer(request)
        return Reply(orjson.dumps(worded(model, request.sequences, result, with_outputs)))


def _read(call: Call, model: ServedModel) -> tuple[InferRequest, bool]:
    """What is asked, and whether outputs are wanted; the parsed JSON ends here.

    A body's lists and numbers, kept while the request waits, cost more than their parsing: in a
    crowd every request then works in memory that no cache holds.
    """
    return prediction_request(call, parsed_object(call.body, FIELDS), model)


def prediction_request(call: Call, body: dict[str, Any], model: ServedModel) -> tuple[InferRequest, bool]:
    """What a body with the fields `FIELDS` asks, and whether outputs are wanted."""
    with_outputs = body.get("include_outputs", False)
    if not isinstance(with_outputs, bool):
        raise InvalidRequest("include_outputs: expected true or false")
    timeout_ms = body.get("timeout_ms")
    timeout_s = None if timeout_ms is None else positive_number(timeout_ms, "timeout_ms") / 1000
    priority = priority_of(body)
    sequences = _sequences(body, model)
    request = InferRequest(
        call.model, sequences, call.version, timeout_s, call.is_abandoned, priority, trace=call.trace
    )
    return request, with_outputs


def priority_of(body: dict[str, Any]) -> int:
    """Its field `priority`; raises InvalidRequest."""
    value = body.get("priority", DEFAULT)
    if type(value) is not int or not HIGHEST <= value <= LOWEST:
        raise InvalidRequest(f"priority: expected a whole number from {HIGHEST}, the first, to {LOWEST}")
    return value


def _sequences(request: dict[str, Any], model: ServedModel) -> list[Array]:
    if ("sequence" in request) == ("sequences" in request):
        raise InvalidRequest("body: expected either sequence (one) or sequences (a list of them)")
    if "sequence" in request:
        return [sequence_array(request["sequence"], model, "sequence")]
    several = request["sequences"]
    if not isinstance(several, list):
        raise InvalidRequest("sequences: expected a list of sequences")
    return [sequence_array(values, model, f"sequences[{index}]") for index, values in enumerate(several)]


def sequence_array(values: Any, model: ServedModel, field: str) -> Array:
    """A sequence as JSON has it; raises InvalidRequest naming `field`."""
    if isinstance(values, str) and model.symbol_ids:
        return _symbol_ids(values, model.symbol_ids, field)
    return nested_list_array(values, field, model.signature.step_shape)


def _symbol_ids(text: str, ids: dict[str, int], field: str) -> Array:
    try:
        return np.array([ids[symbol] for symbol in text], dtype=np.int32)
    except KeyError as missing:
        symbol = missing.args[0]
        raise InvalidRequest(
            f"{field}: character {text.index(symbol)}, {symbol!r}, is not one of the model's symbols"
        ) from None


def worded(
    model: ServedModel, sequences: list[Array], result: InferResult, with_outputs: bool
) -> dict[str, Any]:
    """The answer in the model's own words."""
    answers: list[Answer] = [
        model.wording(output, sequence) for output, sequence in zip(result.outputs, sequences, strict=True)
    ]
    if with_outputs:
        for answer, output in zip(answers, result.outputs, strict=True):
            answer["output"] = output.tolist()
    timings = result.timings
    return {
        "model": result.model,
        "version": result.version,
        "device": result.device,
        "degraded": result.is_degraded,
        "predictions": answers,
        "timings_ms": {
            "queue": round(timings.queue_s * 1e3, 3),
            "batch": round(timings.batch_s * 1e3, 3),
            "compute": round(timings.compute_s * 1e3, 3),
        },
    }
