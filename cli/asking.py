"""Two ways to ask a model: through a server, or by loading its bundle here."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson
from prometheus_client import CollectorRegistry

from service.api.call import Call
from service.api.front import Door
from service.api.inspect_model import InspectDoor
from service.api.predict import PredictDoor
from service.domain.clock import Clock, LoopClock
from service.errors import NotFound
from service.inspection.inspector import Inspector
from service.predictor import Predictor
from service.repository.loader import Loader
from service.repository.registry import Registry
from service.repository.scanner import bundle_folders
from service.settings import Settings
from service.telemetry.metrics import Metrics

_TIMEOUT_S = 60.0


class Refused(Exception):
    """The server did not answer, or answered with a refusal."""


class Question(NamedTuple):
    """What is asked: where a server is asked it, and the door that answers it here."""

    path: str
    door: Callable[[Predictor, Settings, Clock], Door]


PREDICT = Question("/predict/{}", lambda predictor, *_: PredictDoor(predictor))
INSPECT = Question(
    "/v2/models/{}/inspect",
    lambda predictor, settings, clock: InspectDoor(predictor, Inspector(predictor, settings, clock)),
)


def ask_server(
    url: str, question: Question, model: str, body: bytes, key: str | None = None
) -> dict[str, Any]:
    """POST to a server, showing an API key if there is one; raises Refused with its words."""
    if not url.startswith(("http://", "https://")):
        raise Refused(f"{url}: expected http://… or https://…")
    headers = {"Content-Type": "application/json"} | ({"X-API-Key": _sendable(key)} if key else {})
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        url.rstrip("/") + question.path.format(quote(model)), body, headers
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
            answer: dict[str, Any] = orjson.loads(response.read())
    except urllib.error.HTTPError as failure:
        raise Refused(f"{failure.code}: {_words(failure.read())}") from None
    except urllib.error.URLError as failure:
        raise Refused(f"{url}: {failure.reason}") from None
    return answer


def _sendable(key: str) -> str:
    if not (key.isascii() and key.isprintable()):
        raise Refused("key: expected printable ASCII, as `carousel key` prints it")
    return key


def _words(refusal: bytes) -> str:
    """What a refusal says; all of it where it is not ours, as a proxy's."""
    try:
        return str(orjson.loads(refusal)["error"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return refusal.decode(errors="replace")


def ask_bundle(models_dir: Path, question: Question, model: str, body: bytes) -> dict[str, Any]:
    """Load the latest version and ask it, by the same path a request takes in the server."""
    return asyncio.run(_ask_bundle(models_dir, question, model, body))


async def _ask_bundle(models_dir: Path, question: Question, model: str, body: bytes) -> dict[str, Any]:
    folders = [folder for folder in bundle_folders(models_dir) if folder.parent.name == model]
    if not folders:
        raise NotFound(f"model: there is no {model} in {models_dir}")
    settings, clock, registry = Settings(models_dir=models_dir), LoopClock(), Registry()
    loader = Loader(settings, Metrics(CollectorRegistry()), clock)
    registry.add(await loader.load(folders[-1]))
    try:
        door = question.door(Predictor(registry, settings, clock), settings, clock)
        reply = await door(Call(model, None, {}, body, lambda: False))
    finally:
        await registry.close()
    answer: dict[str, Any] = orjson.loads(reply.body)
    return answer
