"""How a stream comes to its session: a fresh one, or the one that it left, with a token."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable

from service.api.stream_messages import Opening
from service.errors import ResumeRefused, SessionAway
from service.predictor import Predictor
from service.sessions.hold import Hold
from service.sessions.session import Session, shown

_TOKEN_BYTES = 24


async def held(
    predictor: Predictor, model: str, opening: Opening, on_lost: Callable[[str], None]
) -> tuple[Hold, str | None]:
    """The session, this stream's alone, and the token to come back with; raises as sessions over REST do.

    Whoever had the session before is told that it was taken over. Raises ResumeRefused for a wrong token.
    """
    if opening.token is None or opening.session is None:
        return await _opened(predictor, model, opening, on_lost)
    try:
        hold = await _resumed(predictor, model, opening.session, opening.token, on_lost)
    except SessionAway:
        # Asked for by another server while this one waited for its step: it is asked back.
        hold = await _resumed(predictor, model, opening.session, opening.token, on_lost)
    return hold, opening.token


async def _resumed(
    predictor: Predictor, model: str, identity: str, token: str, on_lost: Callable[[str], None]
) -> Hold:
    sessions, session = await predictor.session(model, identity)
    _check_token(session, token)
    hold = Hold(sessions, session, on_lost)
    await hold.take()
    return hold


async def _opened(
    predictor: Predictor, model: str, opening: Opening, on_lost: Callable[[str], None]
) -> tuple[Hold, str | None]:
    sessions = await predictor.sessions_for(model, opening.session)
    session = sessions.open(opening.session, opening.rows, opening.idle_s, opening.ttl_s)
    token = secrets.token_urlsafe(_TOKEN_BYTES) if opening.is_resumable else None
    session.resume_digest = None if token is None else _digest(token)
    hold = Hold(sessions, session, on_lost)
    try:
        if token is not None:
            await predictor.kept(sessions, session)
        await hold.take()
    except BaseException:
        # A client that leaves here was not told of it, and nobody would end it.
        if session.is_open:
            sessions.end(session, "failed")
        raise
    return hold, token


def _check_token(session: Session, token: str) -> None:
    due = session.resume_digest
    if due is None or not hmac.compare_digest(due, _digest(token)):
        raise ResumeRefused(f"resume: is not the token of the session {shown(session.id)}")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
