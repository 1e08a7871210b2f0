"""The one room behind every door: which model, is it well-formed, until when, and its answer."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from service.asking import Asking
from service.batching.slot import Slot
from service.batching.ticket import RowResult
from service.domain.clock import Clock
from service.domain.inference import InferRequest, InferResult, StreamStep, Timings
from service.errors import (
    InvalidRequest,
    NotFound,
    SessionAway,
    SnapshotExpired,
    SnapshotMismatch,
)
from service.repository.registry import Registry
from service.repository.served_model import ServedModel
from service.sessions import finding
from service.sessions.persistence import Persistence
from service.sessions.session import Session, taken_already
from service.sessions.sessions import Sessions
from service.settings import Settings


class Predictor:
    """Answers requests with the models of a registry."""

    def __init__(self, registry: Registry, settings: Settings, clock: Clock) -> None:
        self.registry = registry
        self._clock = clock
        self._asking = Asking(settings, clock)
        # While the server serves, unless its sessions end with it.
        self.persistence: Persistence | None = None

    async def infer(self, request: InferRequest) -> InferResult:
        """Answer every sequence of the request, or raise the CarouselError that says why not."""
        arrived_s = self._clock.now()
        model = self.registry.find(request.model, request.version)
        try:
            if request.stream is None:
                result = _result(model, await self._asking.answers(model, request, arrived_s))
            else:
                result = await self._streamed(model, request, request.stream, arrived_s)
        except BaseException:
            model.metrics.statistics.request_failed(self._clock.now() - arrived_s)
            raise
        elapsed_s = self._clock.now() - arrived_s
        model.metrics.request_seconds.observe(elapsed_s)
        model.metrics.statistics.request_answered(len(result.outputs), elapsed_s, *result.timings)
        return result

    async def sessions_for(self, name: str, identity: str | None, *, is_replacing: bool = False) -> Sessions:
        """The open streams of a model, before one is opened under this id; raises SessionExists.

        With `is_replacing` one of this id is there afterwards, wherever it was.
        """
        sessions = sessions_of(self.registry.find(name))
        await self._make_way(sessions, identity, finding.resume if is_replacing else finding.look)
        return sessions

    async def session(self, name: str, identity: str) -> tuple[Sessions, Session]:
        """An open stream of a model, and its table; raises as `Sessions.find` does."""
        sessions = sessions_of(self.registry.find(name))
        return sessions, await finding.found(self.persistence, sessions, identity)

    async def _make_way(
        self, sessions: Sessions, identity: str | None, look: finding.Look, left_s: float | None = None
    ) -> None:
        """Before a session is opened under this id: one that waits in the store is open as well."""
        # State of other weights that was never asked for is in nobody's way.
        with suppress(SnapshotMismatch, SnapshotExpired):
            try:
                await finding.in_time(look(self.persistence, sessions, identity), left_s)
            except NotFound:
                raise taken_already(identity or "") from None

    async def kept(self, sessions: Sessions, session: Session) -> None:
        """Before anybody is told of a session that was just opened; raises as `finding.kept` does."""
        async with session.lock:
            await finding.kept(self.persistence, sessions, session)

    async def ended(self, sessions: Sessions, identity: str) -> None:
        """Before anybody is told that a session has ended: the store has been asked to forget it."""
        if self.persistence is not None:
            await self.persistence.ended(sessions, identity)

    async def _streamed(
        self, model: ServedModel, request: InferRequest, stream: StreamStep, arrived_s: float
    ) -> InferResult:
        """One step of a session; a session whose first step fails is not there afterwards."""
        sessions, rows = sessions_of(model), len(request.sequences)
        self._asking.check_rows(rows)
        left_s = arrived_s + self._asking.timeout_s(request) - self._clock.now()
        session = await self._session_of(sessions, stream, rows, left_s)
        if rows != session.rows:
            raise InvalidRequest(f"sequence: {rows} rows, the session has {session.rows}")

        steps = sum([len(sequence) for sequence in request.sequences])

        async def run(slots: list[Slot]) -> list[RowResult]:
            answers = await self._asking.answers(model, request, arrived_s, slots)
            session.steps_run += steps
            return answers

        begin = partial(finding.kept, self.persistence, sessions) if stream.starts else None
        try:
            number, answers = await sessions.step(session, stream.number, run, steps, stream.hold, begin)
        except SessionAway:
            if stream.hold is not None:
                raise
            # Asked for by another server while this step waited: it is asked back.
            again = stream._replace(starts=False)
            return await self._streamed(model, request, again, arrived_s)
        except BaseException:
            if stream.starts and session.is_open:
                sessions.close(session.id, "failed")
            raise
        if stream.ends and session.is_open:
            sessions.close(session.id)
            await self.ended(sessions, session.id)
        return _result(model, answers, number)

    async def _session_of(self, sessions: Sessions, stream: StreamStep, rows: int, left_s: float) -> Session:
        """The session whose step this is; a fresh one where it starts with it."""
        if not stream.starts:
            if stream.session not in sessions:
                await finding.in_time(finding.resume(self.persistence, sessions, stream.session), left_s)
            return sessions.find(stream.session)
        if stream.session not in sessions:
            await self._make_way(sessions, stream.session, finding.look, left_s)
        return sessions.open(stream.session, rows)


def sessions_of(model: ServedModel) -> Sessions:
    """The model's open streams; raises InvalidRequest where it has none."""
    if model.sessions is None:
        name = model.manifest.name
        raise InvalidRequest(f"session: {name} keeps no state between requests: send whole sequences")
    return model.sessions


def _result(model: ServedModel, rows: list[RowResult], step: int = 0) -> InferResult:
    slowest = rows[0] if len(rows) == 1 else max(rows, key=lambda row: row.queue_s + row.batch_s)
    return InferResult(
        model.manifest.name,
        model.manifest.version,
        [row.output for row in rows],
        slowest.device,
        any(row.is_degraded for row in rows),
        Timings(slowest.queue_s, slowest.batch_s, slowest.compute_s),
        step,
    )
