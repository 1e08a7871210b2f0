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
from service.errors import ClientGone, DeadlineExceeded, DeadlineUnreachable, InvalidRequest
from service.predictor import Predictor, sessions_of
from service.repository.served_model import ServedModel
from service.sessions.session import Session


class Terms(NamedTuple):
    """How long all of its steps may take together, how urgent they are, and whether anybody still waits.

    While `is_renewed` says so, each of them may take that long; `is_stated` where the caller says how long.
    """

    timeout_s: float
    priority: int = DEFAULT
    is_abandoned: Callable[[], bool] | None = None
    is_renewed: Callable[[], bool] | None = None
    is_stated: bool = True

    def renewed(self, while_so: Callable[[], bool]) -> Terms:
        """For an answer that flows: where the caller sets no bounds, only the end of the server does."""
        return self if self.is_stated else self._replace(is_renewed=while_so)

    def late(self, when: str) -> DeadlineExceeded:
        """What a caller is told; one who has not said how long it may take, how to say so."""
        words = f"timeout: the deadline passed {when}"
        if self.is_stated:
            return DeadlineExceeded(words)
        if self.is_renewed is not None and not self.is_renewed():
            return DeadlineExceeded(f"{words}: the server is ending")
        whole = "all" if self.is_renewed is None else "each step"
        return DeadlineExceeded(
            f"{words}: {self.timeout_s:g} s for {whole} unless timeout_ms says more; "
            "CAROUSEL_DEFAULT_TIMEOUT_S is the server's"
        )


def terms_of(
    body: dict[str, Any], default_timeout_s: float, is_abandoned: Callable[[], bool] | None
) -> Terms:
    """What its fields `timeout_ms` and `priority` say; raises InvalidRequest."""
    priority = priority_of(body)
    if "timeout_ms" in body:
        timeout_s = positive_number(body["timeout_ms"], "timeout_ms") / 1000
        return Terms(timeout_s, priority, is_abandoned)
    return Terms(default_timeout_s, priority, is_abandoned, is_stated=False)


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
        left_s = self._left_s()
        if left_s <= 0:
            raise self._late()
        request = InferRequest(
            manifest.name,
            [steps],
            self._version(),
            left_s,
            terms.is_abandoned,
            terms.priority,
            stream=StreamStep(self._session.id),
        )
        try:
            result = await self._predictor.infer(request)
        except DeadlineExceeded:
            raise self._late() from None
        except DeadlineUnreachable:
            # What waits is the first step's matter: later ones have used up their time themselves.
            if self._answered == 0 or self._is_renewed:
                raise
            raise self._late() from None
        self._answered += 1
        return self._last(result.outputs[0])

    def end(self) -> None:
        """Wherever it is by now: a reload carries it to the version that takes over."""
        for model in self._predictor.registry.serving(self._model.manifest.name).values():
            if model.sessions is not None:
                model.sessions.discard(self._session.id)
        if self._session.is_open:
            sessions_of(self._model).discard(self._session.id)

    @property
    def _is_renewed(self) -> bool:
        return self._terms.is_renewed is not None and self._terms.is_renewed()

    def _left_s(self) -> float:
        now_s = asyncio.get_running_loop().time()
        if self._is_renewed:
            self._due_s = now_s + self._terms.timeout_s
        return self._due_s - now_s

    def _late(self) -> DeadlineExceeded:
        return self._terms.late(f"after {self._answered} answers of the model")

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
        session = await _branch(predictor, model, origin, due_s, terms)
    stream = OwnStream(predictor, model, session, terms, due_s)
    try:
        yield stream
    finally:
        stream.end()


async def _branch(
    predictor: Predictor, model: ServedModel, origin: str, due_s: float, terms: Terms
) -> Session:
    """Once the step that runs there, if any, has been answered."""
    sessions, found = await predictor.session(model.manifest.name, origin)
    if found.rows != 1:
        raise InvalidRequest(f"session: has {found.rows} rows, expected one with one")
    try:
        async with asyncio.timeout_at(due_s):
            return await sessions.branch(found)
    except TimeoutError:
        raise terms.late("while a step of the session ran") from None
