"""The steps of one stream: each with its own admission, deadline and trace."""

from __future__ import annotations

import math
from dataclasses import dataclass

import orjson
from starlette.types import Message, Scope

from service.admission.admission import Admission
from service.admission.limits import Allowance
from service.admission.roles import Role
from service.api import stream_frames, stream_messages
from service.api.error_responses import ErrorResponses
from service.api.stream_messages import AskedStep
from service.api.traced import REQUEST_ID, stream_trace
from service.domain.inference import StreamStep
from service.domain.tracing import RequestTrace
from service.errors import CarouselError, Forbidden, InvalidRequest, OutOfOrder, Overloaded, Unauthenticated
from service.predictor import Predictor
from service.repository.served_model import ServedModel
from service.sessions.hold import Hold
from service.telemetry.metrics import StreamMetrics
from service.telemetry.tracing import Tracing

ROUTE = "/v2/models/{model}/stream"


@dataclass(frozen=True, slots=True)
class StreamParts:
    """What every stream of a server works with."""

    predictor: Predictor
    admission: Admission
    errors: ErrorResponses
    tracing: Tracing | None
    metrics: StreamMetrics
    credits: int
    max_rows: int
    message_bytes: int
    opening_s: float


@dataclass(frozen=True, slots=True)
class StreamCall:
    """Who asked for a stream of which model; `key` is what was shown, if anything."""

    model: str
    scope: Scope
    request_id: bytes
    key: bytes | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client is told of a message, and whether nothing comes after it; `code` closes then."""

    content: str | bytes
    final_code: int | None = None
    reason: str = ""


class StreamSteps:
    """Answers a client's messages about its session, in the form in which each was asked."""

    def __init__(self, parts: StreamParts, call: StreamCall, hold: Hold) -> None:
        self._parts = parts
        self._call = call
        self._hold = hold
        # After a failure nobody can say which step one without a number is.
        self._is_in_doubt = False

    async def answer(self, message: Message) -> Answer | None:
        """The answer, None where the client wants to end."""
        trace = self._trace()
        number, is_our_fault = None, False
        try:
            place = self._place()
            try:
                # Looked up each time: a version may have taken the place of another.
                model = self._parts.predictor.registry.find(self._call.model)
                asked = _asked(message, model)
                if asked is None:
                    return None
                number = asked.number
                self._check_position(number)
                content = await self._run(asked, model, trace)
            finally:
                if place is not None:
                    place.release()
        except Exception as failure:  # noqa: BLE001 - the last resort: every message is answered
            self._is_in_doubt = True
            is_our_fault = not isinstance(failure, CarouselError) or failure.http_status >= 500
            return refused(self._parts.errors, self._call, failure, number, trace)
        else:
            self._is_in_doubt = False
            return Answer(content)
        finally:
            if trace is not None:
                trace.ended(is_our_fault)

    def _check_position(self, number: int | None) -> None:
        if number is None and self._is_in_doubt:
            due = self._hold.session.step + 1
            raise OutOfOrder(
                f"step: is missing: after an error steps are sent with their numbers, due is {due}"
            )

    def _place(self) -> Allowance | None:
        """Before the message is read, which costs whoever sends nonsense too."""
        admission = self._parts.admission.guarding(Role.INFER)
        return None if admission is None else admission.admit(self._call.key, Role.INFER)

    async def _run(self, asked: AskedStep, model: ServedModel, trace: RequestTrace | None) -> str | bytes:
        step = StreamStep(self._hold.session.id, asked.number, hold=self._hold)
        result = await self._parts.predictor.infer(asked.request._replace(stream=step, trace=trace))
        return stream_frames.output(result, model) if asked.is_binary else stream_messages.output(result)

    def _trace(self) -> RequestTrace | None:
        if self._parts.tracing is None:
            return None
        trace = stream_trace(self._parts.tracing, ROUTE, self._call.scope)
        if trace is not None:
            trace.note(REQUEST_ID, self._call.request_id.decode())
        return trace


def refused(
    errors: ErrorResponses,
    call: StreamCall,
    failure: Exception,
    step: int | None = None,
    trace: RequestTrace | None = None,
    final_code: int | None = None,
) -> Answer:
    """Counted, logged and worded; whose key has been withdrawn is told for the last time."""
    if isinstance(failure, Unauthenticated | Forbidden):
        final_code = final_code or 4000 + failure.http_status
    answer = errors.answer(failure, call.request_id.decode(), call.scope["path"], trace)
    reason = failure.reason if isinstance(failure, CarouselError) else CarouselError.reason
    again_ms = math.ceil(failure.retry_after_s * 1e3) if isinstance(failure, Overloaded) else None
    content = stream_messages.error(
        reason,
        answer.status,
        orjson.loads(answer.body)["error"],
        step,
        again_ms,
        is_final=final_code is not None,
    )
    return Answer(content, final_code, reason)


def _asked(message: Message, model: ServedModel) -> AskedStep | None:
    text = message.get("text")
    if text is None:
        return stream_frames.step_of(message["bytes"], model)
    parsed = stream_messages.parsed_message(text)
    if parsed["type"] == "open":
        raise InvalidRequest("type: the stream is open already")
    return None if parsed["type"] == "close" else stream_messages.step_of(parsed, model)
