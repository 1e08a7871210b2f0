"""POST /v2/models/{model}/inspect: one sequence in; out comes what every gate did at every step of it."""

from __future__ import annotations

from typing import Any, NamedTuple

from service.api.call import Call, Reply, check_media_type
from service.api.inspection_json import Wanted, worded_inspection
from service.api.json_body import parsed_object, positive_number
from service.api.predict import ACCEPTED, sequence_array
from service.domain.inference import InferRequest
from service.errors import InvalidRequest
from service.inspection.inspector import Inspector
from service.predictor import Predictor

_FIELDS = frozenset({"sequence", "timeout_ms", "units", "summary"})
# More than any layer has that could be answered for.
_MOST_UNITS = 1 << 16


class _Question(NamedTuple):
    request: InferRequest
    wanted: Wanted


class InspectDoor:
    """Asks in the words of /predict; answers of the latest version where none is named."""

    def __init__(self, predictor: Predictor, inspector: Inspector) -> None:
        self._predictor = predictor
        self._inspector = inspector

    async def __call__(self, call: Call) -> Reply:
        check_media_type(call.headers, ACCEPTED)
        request, wanted = self._read(call)
        del call
        return Reply(await self._inspector.inspect(request, lambda answer: worded_inspection(answer, wanted)))

    def _read(self, call: Call) -> _Question:
        model = self._predictor.registry.find(call.model, call.version)
        body = parsed_object(call.body, _FIELDS)
        if "sequence" not in body:
            raise InvalidRequest("sequence: is missing: an inspection is of one sequence")
        timeout_ms = body.get("timeout_ms")
        timeout_s = None if timeout_ms is None else positive_number(timeout_ms, "timeout_ms") / 1000
        sequence = sequence_array(body["sequence"], model, "sequence")
        request = InferRequest(
            call.model, [sequence], call.version, timeout_s, call.is_abandoned, trace=call.trace
        )
        return _Question(request, Wanted(_units(body.get("units")), _flag(body.get("summary", False))))


def _units(value: Any) -> list[int] | None:
    if value is None:
        return None
    is_list = isinstance(value, list) and 0 < len(value) <= _MOST_UNITS
    if not is_list or not all(type(unit) is int and unit >= 0 for unit in value):
        raise InvalidRequest("units: expected a list of whole numbers from 0, the hidden units wanted")
    if len(set(value)) != len(value):
        raise InvalidRequest("units: names a unit twice")
    units: list[int] = value
    return units


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequest("summary: expected true or false")
    return value
