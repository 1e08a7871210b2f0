"""The state that a client takes with it and brings back: sealed where the server has a key."""

from __future__ import annotations

import time
from dataclasses import replace

from service.domain.caller import owner
from service.errors import BodyTooLarge, InvalidSnapshot, SnapshotRefused
from service.sessions.sealing import Seal, is_sealed
from service.sessions.session import Session
from service.sessions.sessions import Sessions
from service.sessions.snapshot import Snapshot
from service.sessions.snapshot_format import dump, load
from service.sessions.state_keys import read_state_keys
from service.settings import Settings


def seal_of(settings: Settings) -> Seal | None:
    """Raises InvalidSettings where the keys cannot be read."""
    keys = read_state_keys(settings.state_key.get_secret_value(), settings.state_keys_file)
    return Seal(keys) if keys else None


async def state_out(sessions: Sessions, session: Session, seal: Seal | None, most_bytes: int) -> bytes:
    """The session between two of its steps, as bytes; it goes on here as well.

    Without its last answer where it would have more than `most_bytes` with it: it must be possible to bring
    it back. Raises BodyTooLarge where that is not enough.
    """
    # Whose it is here, and who comes back to it, matters to nobody elsewhere.
    snapshot = replace(await sessions.snapshot(session), owner=None, resume_digest=None)
    content = _as_handed_out(snapshot, seal)
    if len(content) > most_bytes and snapshot.answer is not None:
        content = _as_handed_out(replace(snapshot, answer=None), seal)
    if len(content) > most_bytes:
        raise BodyTooLarge(
            f"state: has {len(content)} bytes, and could be brought back with {most_bytes} at most: "
            "CAROUSEL_MAX_BODY_BYTES allows more"
        )
    return content


def _as_handed_out(snapshot: Snapshot, seal: Seal | None) -> bytes:
    if seal is None:
        return dump(snapshot)
    # What is carried takes no room here: that it was idle is no reason to refuse it.
    return seal.close_up(dump(snapshot), snapshot.fingerprint, snapshot.created_s + snapshot.ttl_s)


def state_in(
    sessions: Sessions, identity: str, content: bytes, seal: Seal | None, max_rows: int, *, is_replacing: bool
) -> Session:
    """Go on under this id; raises as `Seal.open_up`, `load` and `Sessions.restore` do."""
    if seal is not None:
        if not is_sealed(content):
            raise SnapshotRefused("snapshot: is not sealed: expected what this server's GET …/state answered")
        content = seal.open_up(content, sessions.origin.fingerprint, time.time())
    snapshot = load(content)
    if snapshot.rows > max_rows:
        raise InvalidSnapshot(f"snapshot: has {snapshot.rows} rows: expected {max_rows} at most")
    # Whoever was given it may go on with it, and then it is theirs.
    mine = replace(snapshot, owner=owner(), resume_digest=None)
    return sessions.restore(mine, identity, "client", is_replacing=is_replacing)
