"""A request's own stream: beside everybody's on the carousel, and gone with the request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from service.api.json_body import positive_number
from service.api.predict import priority_of
from service.domain.inference import InferRequest, StreamStep
from service.domain.priority import DEFAULT
from service.domain.tensors import Array
from service.errors import ClientGone, DeadlineExceeded, InvalidRequest
from service.predictor import Predictor, sessions_of
from service.repository.served_model import ServedModel
from service.sessions.session import Session


class Terms(NamedTuple):
    """How long all of its steps may take together, how urgent they are, and whether anybody still waits."""

    timeout_s: float
    priority: int = DEFAULT
    is_abandoned: Callable[[], bool] | None = None


def terms_of(
    body: dict[str, Any], default_timeout_s: float, is_abandoned: Callable[[], bool] | None
) -> Terms:
    """What its fields `timeout_ms` and `priority` say; raises InvalidRequest."""
    timeout_s = default_timeout_s
    if "timeout_ms" in body:
        timeout_s = positive_number(body["timeout_ms"], "timeout_ms") / 1000
    return Terms(timeout_s, priority_of(body), is_abandoned)


class OwnStream:
    """Steps of one row, each from where the one before has ended."""

    def __init__(
        self, predictor: Predictor, model: ServedModel, session: Session, terms: Terms, due_s: float
    ) -> None:
        self._predictor = predictor
        self._model = model
        self._session = session
        self._terms = terms
        self._due_s = due_s
        self._answered = 0

    @property
    def last_output(self) -> Array | None:
        """Of the stream that this one has gone on from, `[*output]`; None where it had seen no step."""
        answer = self._session.answer
        return None if answer is None else self._last(answer[0].output)

    async def output(self, steps: Array) -> Array:
        """What the model says after these steps, `[*output]`.

        Raises ClientGone, DeadlineExceeded, and what `Predictor.infer` does.
        """
        terms, manifest = self._terms, self._model.manifest
        # The queue asks only of those who have waited a while, and no step of these may.
        if terms.is_abandoned is not None and terms.is_abandoned():
            raise ClientGone
        left_s = self._due_s - asyncio.get_running_loop().time()
        if left_s <= 0:
            raise DeadlineExceeded(
                f"timeout: the deadline passed after {self._answered} answers of the model"
            )
        request = InferRequest(
            manifest.name,
            [steps],
            self._version(),
            left_s,
            terms.is_abandoned,
            terms.priority,
            stream=StreamStep(self._session.id),
        )
        result = await self._predictor.infer(request)
        self._answered += 1
        return self._last(result.outputs[0])

    def end(self) -> None:
        """Wherever it is by now: a reload carries it to the version that takes over."""
        for model in self._predictor.registry.serving(self._model.manifest.name).values():
            if model.sessions is not None:
                model.sessions.discard(self._session.id)
        if self._session.is_open:
            sessions_of(self._model).discard(self._session.id)

    def _version(self) -> str | None:
        """Its own for as long as that serves, then the one that its state was carried to."""
        name, version = self._model.manifest.name, self._model.manifest.version
        return version if version in self._predictor.registry.serving(name) else None

    def _last(self, output: Array) -> Array:
        return output[-1] if self._model.signature.has_step_outputs else output


@asynccontextmanager
async def own_stream(
    predictor: Predictor, model: ServedModel, terms: Terms, origin: str | None = None
) -> AsyncIterator[OwnStream]:
    """A fresh one, or one that goes on where the open session `origin` stands, which stays where it is."""
    due_s = asyncio.get_running_loop().time() + terms.timeout_s
    if origin is None:
        session = sessions_of(model).open()
    else:
        session = await _branch(predictor, model, origin, due_s)
    stream = OwnStream(predictor, model, session, terms, due_s)
    try:
        yield stream
    finally:
        stream.end()


async def _branch(predictor: Predictor, model: ServedModel, origin: str, due_s: float) -> Session:
    """Once the step that runs there, if any, has been answered."""
    sessions, found = await predictor.session(model.manifest.name, origin)
    if found.rows != 1:
        raise InvalidRequest(f"session: has {found.rows} rows, expected one with one")
    try:
        async with asyncio.timeout_at(due_s):
            return await sessions.branch(found)
    except TimeoutError:
        raise DeadlineExceeded("timeout: the deadline passed while a step of the session ran") from None
