"""A request's `id` and `parameters`, as plain values: what is read, what is ignored, what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.api.json_body import positive_number
from service.domain.inference import InferResult
from service.errors import InvalidRequest

MICROSECOND = 1e-6
_MOST_ID_CHARACTERS = 1024


def request_timeout_s(parameters: Mapping[str, Any]) -> float | None:
    """Seconds from `timeout` in microseconds, None where there is none; the other parameters are checked too.

    `priority` is accepted and changes nothing: every request has the same. Custom parameters are ignored.
    A `sequence_id` is refused: an answer that forgot the steps sent before would be wrong and not say so.
    """
    if not parameters:
        return None
    _check_priority(parameters.get("priority"))
    if parameters.get("sequence_id"):
        raise InvalidRequest(
            "parameters.sequence_id: no state is kept between requests, send the whole sequence without it"
        )
    timeout = parameters.get("timeout")
    # Zero is the protocol's way to say none.
    if timeout is None or (timeout == 0 and timeout is not False):
        return None
    return positive_number(timeout, "parameters.timeout") * MICROSECOND


def checked_id(identity: Any) -> str:
    """The request's id, empty where it has none."""
    if identity is None:
        return ""
    if not isinstance(identity, str) or len(identity) > _MOST_ID_CHARACTERS:
        raise InvalidRequest(f"id: expected a string of at most {_MOST_ID_CHARACTERS} characters")
    return identity


def answer_parameters(result: InferResult) -> dict[str, Any]:
    """Who answered, and where the time went."""
    timings = result.timings
    return {
        "device": result.device,
        "degraded": result.is_degraded,
        "queue_us": round(timings.queue_s / MICROSECOND),
        "batch_us": round(timings.batch_s / MICROSECOND),
        "compute_us": round(timings.compute_s / MICROSECOND),
    }


def _check_priority(priority: Any) -> None:
    if priority is None or (type(priority) is int and priority >= 0):
        return
    raise InvalidRequest("parameters.priority: expected a whole number, 0 or more")
