"""What every store of snapshots does."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from service.errors import ClaimLost, InvalidRequest
from service.sessions.snapshot_format import MOST_ID_BYTES


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run one session.

    `token` is new with each claim: a server that slept while another took the session holds one that the
    store no longer knows.
    """

    session_id: str
    owner: str
    token: str


class SnapshotStore(Protocol):
    """Snapshots by session id, as bytes that the store does not look into.

    At any moment at most one claim of a session is known to the store, and only with it is anything written.
    A claim lasts until it is released, or until somebody else claims the session whose owner has not been
    heard of for the length of its lease. Whoever meets ClaimLost must drop the session, since another server
    may have gone on with it.

    Every method raises StoreUnavailable where the store does not answer; then it may have been done or not.
    """

    async def beat(self, owner: str, lease_s: float) -> list[str]:
        """The owner is there for another `lease_s`; the sessions that others have asked it for since."""

    async def depart(self, owner: str) -> None:
        """The owner is gone: who wants one of its sessions need not wait for the end of its lease."""

    async def claim(self, session_id: str, owner: str, *, is_asking: bool = False) -> Claim:
        """Raises ClaimLost while another owner has it and is there; an owner's own is replaced.

        Who `is_asking` has the other told, at its next beat, that the session is wanted. Where the owner
        itself was asked for this session before, that is settled.
        """

    async def renew(self, claim: Claim) -> Claim:
        """A new claim in place of the owner's last, so that no write with that one can come late.

        Raises ClaimLost where the owner has none.
        """

    async def release(self, claim: Claim) -> None:
        """Let others claim it at once; does nothing where the claim is lost already."""

    async def put(self, claim: Claim, snapshot: bytes, expires_s: float, *, is_lasting: bool = True) -> None:
        """Replace the snapshot, to be forgotten at `expires_s`, Unix seconds; raises ClaimLost, StoreFull.

        One that is not `is_lasting` outlives this process, and need not outlive a power cut.
        """

    async def get(self, session_id: str) -> bytes | None: ...

    async def take(self, claim: Claim) -> bytes | None:
        """Get and delete in one; raises ClaimLost."""

    async def delete(self, claim: Claim) -> None:
        """Forget the snapshot, and the claim with it; raises ClaimLost."""

    def ids(self) -> AsyncIterator[str]:
        """Each session with a snapshot; those that come or go meanwhile may be missed."""

    async def close(self) -> None: ...


def new_claim(session_id: str, owner: str) -> Claim:
    """Raises InvalidRequest for an id that no store could keep."""
    try:
        length = len(session_id.encode())
    except UnicodeEncodeError:
        length = 0
    if not 1 <= length <= MOST_ID_BYTES:
        raise InvalidRequest(f"session id: expected 1 to {MOST_ID_BYTES} bytes of UTF-8")
    return Claim(session_id, owner, uuid.uuid4().hex)


def claimed_elsewhere(session_id: str, owner: str, left_s: float) -> ClaimLost:
    return ClaimLost(f"session {session_id}: runs on {owner}, for another {max(0.0, left_s):.1f} s at least")


def claim_lost(claim: Claim) -> ClaimLost:
    return ClaimLost(f"session {claim.session_id}: {claim.owner} has lost its claim: read the session anew")
