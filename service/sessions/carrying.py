"""Between a session here and its snapshot: monotonic times and slots on one side, Unix time on the other."""

from __future__ import annotations

from service.batching.ticket import RowResult
from service.domain.tensors import Array
from service.errors import SnapshotExpired
from service.sessions.session import Session, SessionLimits
from service.sessions.snapshot import Origin, Snapshot

# Who answered is not in a snapshot.
_DEVICE = "snapshot"


def taken(
    session: Session, origin: Origin, states: tuple[Array, ...], now_s: float, unix_s: float
) -> Snapshot:
    """Where the session stands; `states` are its rows' `[rows, *shape]`."""
    names = [state.input for state in origin.signature.states]
    return Snapshot(
        session_id=session.id,
        model=origin.model,
        version=origin.version,
        fingerprint=origin.fingerprint,
        rows=session.rows,
        step_number=session.step,
        steps_run=session.steps_run,
        created_s=max(0.0, unix_s - (now_s - session.opened_s)),
        used_s=max(0.0, unix_s - (now_s - session.used_s)),
        idle_limit_s=session.idle_s,
        ttl_s=session.deadline_s - session.opened_s,
        states=dict(zip(names, states, strict=True)),
        answer=None if session.answer is None else tuple(row.output for row in session.answer),
        owner=session.owner,
        resume_digest=session.resume_digest,
    )


def carried(snapshot: Snapshot, identity: str, limits: SessionLimits, now_s: float, unix_s: float) -> Session:
    """The session again, without its slots; bringing it is a use of it, and its age goes on.

    Raises SnapshotExpired where it has lived as long as it may.
    """
    # Another server's clock may be ahead of this one's.
    age_s = max(0.0, unix_s - snapshot.created_s)
    ttl_s = min(limits.ttl_s, snapshot.ttl_s)
    if age_s >= ttl_s:
        raise SnapshotExpired(f"snapshot: expired {age_s - ttl_s:.0f} s ago: start the session anew")
    idle_s = min(limits.idle_s, snapshot.idle_limit_s)
    session = Session(identity, snapshot.rows, now_s - age_s, idle_s, ttl_s)
    session.used_s = now_s
    session.owner = snapshot.owner
    session.resume_digest = snapshot.resume_digest
    session.step, session.steps_run = snapshot.step_number, snapshot.steps_run
    if snapshot.answer is not None:
        session.keep([_as_answered(output) for output in snapshot.answer])
    return session


def _as_answered(output: Array) -> RowResult:
    return RowResult(output, (), _DEVICE, False, 0.0, 0.0, 0.0, 1)
