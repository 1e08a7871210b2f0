"""POST /v2/models/{model}/generate and /generate_stream: how a language model goes on with a text."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.api.call import check_media_type, departure_check
from service.api.json_body import parsed_object, whole_number
from service.api.own_stream import Terms, own_stream, terms_of
from service.api.predict import ACCEPTED, sequence_array
from service.api.server_sent_events import told_as_events, told_of_events
from service.domain.sampling import Sampling, StopTexts, sampled
from service.domain.tensors import Array
from service.errors import InvalidRequest
from service.predictor import Predictor
from service.repository.manifest import Task
from service.repository.served_model import ServedModel

_FIELDS = frozenset({"text_input", "steps", "temperature", "top_k", "stop", "seed", "timeout_ms"})
_MOST_STEPS = 65_536
_MOST_STOPS = 16


@dataclass(slots=True)
class Wish:
    """What is to be said: after which symbols, how much, how freely, until when; and what has been."""

    model: ServedModel
    beginning: Array
    steps: int
    sampling: Sampling
    stops: tuple[str, ...]
    seed: int
    terms: Terms
    said: int = 0

    def ending(self) -> dict[str, Any]:
        """What an answer ends with, however far it came."""
        manifest = self.model.manifest
        told = {"model_name": manifest.name, "model_version": manifest.version}
        return told | {"steps": self.said, "seed": self.seed}


def generate_routes(
    predictor: Predictor, default_timeout_s: float, is_ready: Callable[[], bool]
) -> APIRouter:
    """Both take the same body; the second answers with server-sent events, one for each piece of text."""
    router = APIRouter(prefix="/v2/models/{model}", tags=["Streams"])

    async def wished(model: str, request: Request, is_abandoned: Callable[[], bool] | None = None) -> Wish:
        check_media_type(dict(request.scope["headers"]), ACCEPTED)
        body = parsed_object(await request.body(), _FIELDS)
        return _read(predictor.registry.find(model), body, terms_of(body, default_timeout_s, is_abandoned))

    @router.post("/generate", summary="Go on with a text", responses=_SAID, openapi_extra=_BODY)
    async def generate(model: str, request: Request) -> Response:
        wish = await wished(model, request, departure_check(request.receive))
        pieces = [piece async for piece in _pieces(predictor, wish)]
        text = "".join(piece.get("text_output", "") for piece in pieces)
        return Response(orjson.dumps(pieces[-1] | {"text_output": text}), media_type="application/json")

    @router.post(
        "/generate_stream",
        summary="The same, as it is said",
        response_class=Response,
        responses=_TOLD,
        openapi_extra=_BODY,
    )
    async def generate_stream(model: str, request: Request) -> Response:
        wish = await wished(model, request)
        wish.terms = wish.terms.renewed(while_so=is_ready)
        return await told_as_events(_pieces(predictor, wish), wish.ending)

    return router


async def _pieces(predictor: Predictor, wish: Wish) -> AsyncGenerator[dict[str, Any]]:
    """Pieces of text, then how it ended."""
    manifest, random = wish.model.manifest, np.random.default_rng(wish.seed)
    stops, reason = StopTexts(wish.stops), "length"
    steps, symbols = wish.beginning, manifest.step.symbols or ()
    async with own_stream(predictor, wish.model, wish.terms) as stream:
        while wish.said < wish.steps and reason == "length":
            index = sampled(await stream.output(steps), wish.sampling, random)
            steps = np.array([index], np.int32)
            wish.said += 1
            text, is_stopped = stops.take(symbols[index])
            reason = "stop" if is_stopped else "length"
            if text:
                yield {"text_output": text}
    rest = "" if reason == "stop" else stops.rest()
    yield wish.ending() | {"text_output": rest, "finish_reason": reason}


def _read(model: ServedModel, body: dict[str, Any], terms: Terms) -> Wish:
    if model.manifest.task is not Task.NEXT_SYMBOL:
        raise InvalidRequest(
            f"model: {model.manifest.name} is no language model, its task is {model.manifest.task}"
        )
    text = body.get("text_input")
    if not isinstance(text, str) or not text:
        raise InvalidRequest("text_input: expected at least one character to go on from")
    return Wish(
        model,
        sequence_array(text, model, "text_input"),
        whole_number(body.get("steps", 100), "steps", 1, _MOST_STEPS),
        Sampling(_temperature(body.get("temperature", 1.0)), _top_k(body.get("top_k"))),
        _stops(body.get("stop", [])),
        whole_number(body.get("seed", secrets.randbits(32)), "seed", 0, (1 << 63) - 1),
        terms,
    )


def _top_k(value: Any) -> int | None:
    return None if value is None else whole_number(value, "top_k", 1, 1 << 20)


def _temperature(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise InvalidRequest("temperature: expected a number from 0, always the likeliest, to 100")
    return float(value)


def _stops(value: Any) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else value
    is_list = isinstance(stops, list) and len(stops) <= _MOST_STOPS
    if not is_list or not all(isinstance(stop, str) and stop for stop in stops):
        raise InvalidRequest(f"stop: expected a text or at most {_MOST_STOPS} of them")
    return tuple(stops)


_RESPONSES: Any = {
    400: {"description": "malformed, or no language model; names the field"},
    404: {"description": "no such model"},
    415: {"description": "a content type that is not read here"},
    429: {"description": "no room; Retry-After says when to come back"},
    500: {"description": "the engine could not run a step"},
    504: {"description": "the deadline passed before all was said; timeout_ms moves it"},
}
_ANSWER = {
    "type": "object",
    "properties": {
        "model_name": {"type": "string"},
        "model_version": {"type": "string"},
        "text_output": {"type": "string"},
        "steps": {"type": "integer", "minimum": 1, "description": "symbols said, a stop text's among them"},
        "finish_reason": {"type": "string", "enum": ["length", "stop"]},
        "seed": {"type": "integer", "description": "says the same again"},
    },
    "required": ["model_name", "model_version", "text_output", "steps", "finish_reason", "seed"],
}
_PIECE = {"type": "object", "properties": {"text_output": {"type": "string"}}, "required": ["text_output"]}
_SAID: Any = _RESPONSES | {
    200: {"description": "the text", "content": {"application/json": {"schema": _ANSWER}}}
}
_TOLD: Any = _RESPONSES | {200: told_of_events(_PIECE, _ANSWER)}
_TEXT = {"type": "string", "minLength": 1}
_PROPERTIES = {
    "text_input": _TEXT,
    "steps": {"type": "integer", "minimum": 1, "maximum": _MOST_STEPS, "default": 100},
    "temperature": {"type": "number", "minimum": 0, "maximum": 100, "default": 1},
    "top_k": {"type": ["integer", "null"], "minimum": 1, "maximum": 1 << 20},
    "stop": {"oneOf": [_TEXT, {"type": "array", "items": _TEXT, "maxItems": _MOST_STOPS}]},
    "seed": {"type": "integer", "minimum": 0, "maximum": (1 << 63) - 1},
    "timeout_ms": {"type": "number", "exclusiveMinimum": 0},
}
_SCHEMA = {
    "type": "object",
    "required": ["text_input"],
    "properties": _PROPERTIES,
    "additionalProperties": False,
}
_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": _SCHEMA}}}}
