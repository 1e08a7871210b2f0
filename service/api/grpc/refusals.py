"""The one place where an error becomes a gRPC status."""

from __future__ import annotations

from typing import NamedTuple

import grpc
import orjson

from service.api.error_responses import ErrorResponses
from service.api.grpc.traced import rpc_ended
from service.domain.tracing import RequestTrace
from service.errors import CarouselError, DeadlineExceeded

# Trailers hold 8 KiB and a character may take twelve bytes there.
_MOST_CHARACTERS = 600


class Refusal(NamedTuple):
    """A status code, what the caller reads, and trailing metadata."""

    code: grpc.StatusCode
    message: str
    metadata: tuple[tuple[str, str], ...]


class Refusals:
    """Words, counts and logs errors as the HTTP doors do, for gRPC."""

    def __init__(self, errors: ErrorResponses) -> None:
        self._errors = errors

    def refusal(
        self, failure: Exception, request_id: str, method: str, trace: RequestTrace | None = None
    ) -> Refusal:
        """What the caller is told; an error we did not foresee is INTERNAL without its inner words."""
        answer = self._errors.answer(failure, request_id, method, trace)
        name = failure.grpc_code if isinstance(failure, CarouselError) else CarouselError.grpc_code
        code = grpc.StatusCode[name]
        if trace is not None:
            rpc_ended(trace, code)
        metadata = tuple((name.decode(), value.decode()) for name, value in answer.headers)
        return Refusal(code, _shortened(orjson.loads(answer.body)["error"]), metadata)

    def count_cancelled(
        self, remaining_s: float | None, request_id: str, method: str, trace: RequestTrace | None = None
    ) -> None:
        """A call that ended before its answer: the client left, or its deadline passed."""
        if remaining_s is not None and remaining_s <= 0:
            late = DeadlineExceeded("timeout: the deadline passed before the sequence was answered")
            self.refusal(late, request_id, method, trace)
        else:
            self._errors.count_departure(trace)
            if trace is not None:
                rpc_ended(trace, grpc.StatusCode.CANCELLED)


def _shortened(message: str) -> str:
    return message if len(message) <= _MOST_CHARACTERS else message[: _MOST_CHARACTERS - 1] + "…"
