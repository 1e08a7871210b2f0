"""POST /v2/models/{model}/forecast and /forecast_stream: further ahead, each forecast in the next step."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.api.call import check_media_type, departure_check
from service.api.forecast_openapi import BODY, FORECAST, TOLD
from service.api.future import future_of
from service.api.json_body import parsed_object, whole_number
from service.api.own_stream import Terms, own_stream, terms_of
from service.api.predict import ACCEPTED, sequence_array
from service.api.server_sent_events import told_as_events
from service.domain.feedback import FeedbackLoop
from service.domain.tensors import Array
from service.errors import InvalidRequest
from service.predictor import Predictor
from service.repository.served_model import ServedModel
from service.sessions.session import LONGEST_ID

_FIELDS = frozenset({"sequence", "steps", "future", "session", "timeout_ms", "priority"})
_MOST_STEPS = 65_536
# Eight megabytes or so, as JSON has them.
_MOST_NUMBERS = 1 << 20


MostSteps: TypeAlias = Callable[[ServedModel], int]


@dataclass(slots=True)
class Wish:
    """What is to be forecast: from which past, so many steps ahead, and what is known of them already.

    `past` is `[steps, *step]`, None where `session` has seen it all; `future` has a row for each step ahead
    but the last. `told` of the steps have been.
    """

    model: ServedModel
    loop: FeedbackLoop
    past: Array | None
    session: str | None
    steps: int
    future: Array
    terms: Terms
    told: int = 0

    def ending(self) -> dict[str, Any]:
        """What an answer ends with, however far it came."""
        manifest = self.model.manifest
        told = {"model_name": manifest.name, "model_version": manifest.version, "steps": self.told}
        return told if manifest.output.unit is None else told | {"unit": manifest.output.unit}


def forecast_routes(
    predictor: Predictor, default_timeout_s: float, is_ready: Callable[[], bool]
) -> APIRouter:
    """Both take the same body; the second answers with server-sent events, one for each step ahead."""
    router = APIRouter(prefix="/v2/models/{model}", tags=["Streams"])

    async def wished(
        model: str, request: Request, most_steps: MostSteps, is_abandoned: Callable[[], bool] | None = None
    ) -> Wish:
        check_media_type(dict(request.scope["headers"]), ACCEPTED)
        body = parsed_object(await request.body(), _FIELDS)
        terms = terms_of(body, default_timeout_s, is_abandoned)
        served = predictor.registry.find(model)
        return _read(served, body, most_steps(served), terms)

    @router.post("/forecast", summary="Forecast further ahead", responses=FORECAST, openapi_extra=BODY)
    async def forecast(model: str, request: Request) -> Response:
        wish = await wished(model, request, _fitting_one_answer, departure_check(request.receive))
        outputs = [output async for output in _outputs(predictor, wish)]
        answer = wish.ending() | {"outputs": np.stack(outputs).tolist()}
        return Response(orjson.dumps(answer), media_type="application/json")

    @router.post(
        "/forecast_stream",
        summary="The same, step by step",
        response_class=Response,
        responses=TOLD,
        openapi_extra=BODY,
    )
    async def forecast_stream(model: str, request: Request) -> Response:
        wish = await wished(model, request, lambda _: _MOST_STEPS)
        wish.terms = wish.terms.renewed(while_so=is_ready)
        return await told_as_events(_told(predictor, wish), wish.ending)

    return router


async def _told(predictor: Predictor, wish: Wish) -> AsyncGenerator[dict[str, Any]]:
    """Each step ahead, then how many there were."""
    async with aclosing(_outputs(predictor, wish)) as outputs:
        async for output in outputs:
            yield {"step": wish.told, "output": output.tolist()}
    yield wish.ending()


async def _outputs(predictor: Predictor, wish: Wish) -> AsyncGenerator[Array]:
    """`[*output]` of each step ahead."""
    async with own_stream(predictor, wish.model, wish.terms, wish.session) as stream:
        output = stream.last_output if wish.past is None else await stream.output(wish.past)
        if output is None:
            raise InvalidRequest("sequence: the session has seen no step yet, expected one at least")
        wish.told = 1
        yield output
        for known in wish.future:
            output = await stream.output(wish.loop.next_step(output, known))
            wish.told += 1
            yield output


def _fitting_one_answer(model: ServedModel) -> int:
    return min(_MOST_STEPS, max(1, _MOST_NUMBERS // math.prod(model.manifest.output.shape)))


def _read(model: ServedModel, body: dict[str, Any], most_steps: int, terms: Terms) -> Wish:
    manifest = model.manifest
    if manifest.feedback is None:
        raise InvalidRequest(
            f"model: the manifest of {manifest.name} has no feedback: it does not say how a forecast becomes "
            "the next step"
        )
    loop, session = manifest.feedback.loop(model.signature), _session(body.get("session"))
    if "sequence" not in body and session is None:
        raise InvalidRequest("sequence: is missing: expected the past, or a session that has seen it")
    past = sequence_array(body["sequence"], model, "sequence") if "sequence" in body else None
    steps = whole_number(body.get("steps"), "steps", 1, most_steps)
    future = future_of(body.get("future"), steps - 1, loop, model)
    return Wish(model, loop, past, session, steps, future, terms)


def _session(value: Any) -> str | None:
    if value is not None and not (isinstance(value, str) and 0 < len(value) <= LONGEST_ID):
        raise InvalidRequest(f"session: expected the id of an open session, 1 to {LONGEST_ID} characters")
    return value
