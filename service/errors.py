"""Every refusal and failure a caller can see, with its code on each door.

CarouselError
├── InvalidRequest             400  INVALID_ARGUMENT    malformed, wrong shape or type, not finite
│   ├── UnsupportedMediaType   415  INVALID_ARGUMENT    a content type this door cannot read
│   ├── InvalidSnapshot        400  INVALID_ARGUMENT    bytes that are no snapshot of a session
│   └── BodyTooLarge           413  RESOURCE_EXHAUSTED  more bytes or steps than the server takes
├── Unauthenticated            401  UNAUTHENTICATED     no key, an unknown one, or one that has expired
├── Forbidden                  403  PERMISSION_DENIED   the caller is known, but may not do this
│   ├── SnapshotRefused        403  PERMISSION_DENIED   a snapshot not sealed here, or changed since
│   ├── OriginRefused          403  PERMISSION_DENIED   a page of another origin
│   └── ResumeRefused          403  PERMISSION_DENIED   not the token of this session
├── SessionExists              409  ALREADY_EXISTS      a session of this id is open
├── SessionHeld                409  FAILED_PRECONDITION a stream has the session for itself
├── OutOfOrder                 409  FAILED_PRECONDITION a step that is not the one due
├── SessionGone                410  NOT_FOUND           a session that has ended; says why
├── SnapshotMismatch           409  FAILED_PRECONDITION a snapshot of another model
├── SnapshotExpired            410  NOT_FOUND           a snapshot that was carried too long
├── ClaimLost                  409  ABORTED             the session runs on another server
├── NotFound                   404  NOT_FOUND           no such model, version or session
├── MethodNotAllowed           405  UNIMPLEMENTED       the path exists, but not for this method
├── UpgradeRequired            426  FAILED_PRECONDITION a stream that was asked for in plain HTTP
├── CreditsExceeded            429  RESOURCE_EXHAUSTED  more unanswered messages on a stream than it takes
├── HeaderTimeout              408  DEADLINE_EXCEEDED   a header that did not arrive in time
├── HeaderTooLarge             431  RESOURCE_EXHAUSTED  more header fields or bytes than the server takes
├── Overloaded                 429  RESOURCE_EXHAUSTED  the queue is full; says when to come back
│   ├── DeadlineUnreachable    429  RESOURCE_EXHAUSTED  what waits before it takes longer than the caller does
│   ├── TooManySessions        429  RESOURCE_EXHAUSTED  no room for another session
│   ├── RateLimited            429  RESOURCE_EXHAUSTED  the caller's requests per second are used up
│   └── TooManyConcurrent      429  RESOURCE_EXHAUSTED  the caller has too many requests being answered
├── Unavailable                503  UNAVAILABLE         loading, draining, or no healthy engine
│   ├── SessionAway            503  UNAVAILABLE         a session that has just gone to another server
│   ├── TooManyConnections     503  UNAVAILABLE         no connection is left; says when to come back
│   └── StoreUnavailable       503  UNAVAILABLE         the store of sessions cannot be reached
│       └── StoreFull          503  UNAVAILABLE         or has no room
├── DeadlineExceeded           504  DEADLINE_EXCEEDED   not answered in the time the caller gave
├── EngineFailed               500  INTERNAL            the engine could not run this sequence
│   └── EngineOutOfMemory      500  INTERNAL            the device has no room for it; a smaller batch may fit
└── InvalidBundle              500  INTERNAL            a bundle on disk that must not be served
"""

from __future__ import annotations

from typing import ClassVar


class CarouselError(Exception):
    """Something the caller is told: a message, and a code on each door."""

    http_status: ClassVar[int] = 500
    grpc_code: ClassVar[str] = "INTERNAL"
    reason: ClassVar[str] = "internal"

    @property
    def message(self) -> str:
        return str(self.args[0]) if self.args else self.reason


class ClientGone(Exception):
    """The client closed its connection before it was answered: there is nobody to tell."""


class InvalidRequest(CarouselError):
    http_status = 400
    grpc_code = "INVALID_ARGUMENT"
    reason = "invalid"


class UnsupportedMediaType(InvalidRequest):
    http_status = 415
    reason = "media_type"


class InvalidSnapshot(InvalidRequest):
    reason = "invalid_snapshot"


class BodyTooLarge(InvalidRequest):
    http_status = 413
    grpc_code = "RESOURCE_EXHAUSTED"
    reason = "too_large"


class Unauthenticated(CarouselError):
    http_status = 401
    grpc_code = "UNAUTHENTICATED"
    reason = "unauthenticated"


class Forbidden(CarouselError):
    http_status = 403
    grpc_code = "PERMISSION_DENIED"
    reason = "forbidden"


class SnapshotRefused(Forbidden):
    reason = "snapshot_refused"


class OriginRefused(Forbidden):
    reason = "origin_refused"


class ResumeRefused(Forbidden):
    reason = "resume_refused"


class SnapshotMismatch(CarouselError):
    http_status = 409
    grpc_code = "FAILED_PRECONDITION"
    reason = "snapshot_mismatch"


class SnapshotExpired(CarouselError):
    http_status = 410
    grpc_code = "NOT_FOUND"
    reason = "snapshot_expired"


class ClaimLost(CarouselError):
    """Whoever holds this session's state must let go of it, and may ask the store for it again."""

    http_status = 409
    grpc_code = "ABORTED"
    reason = "claim_lost"


class HeaderTimeout(CarouselError):
    http_status = 408
    grpc_code = "DEADLINE_EXCEEDED"
    reason = "header_timeout"


class HeaderTooLarge(CarouselError):
    http_status = 431
    grpc_code = "RESOURCE_EXHAUSTED"
    reason = "header_too_large"


class NotFound(CarouselError):
    http_status = 404
    grpc_code = "NOT_FOUND"
    reason = "not_found"


class SessionExists(CarouselError):
    http_status = 409
    grpc_code = "ALREADY_EXISTS"
    reason = "session_exists"


class SessionHeld(CarouselError):
    http_status = 409
    grpc_code = "FAILED_PRECONDITION"
    reason = "session_held"


class OutOfOrder(CarouselError):
    http_status = 409
    grpc_code = "FAILED_PRECONDITION"
    reason = "out_of_order"


class SessionGone(CarouselError):
    http_status = 410
    grpc_code = "NOT_FOUND"
    reason = "session_gone"


class UpgradeRequired(CarouselError):
    http_status = 426
    grpc_code = "FAILED_PRECONDITION"
    reason = "upgrade_required"


class CreditsExceeded(CarouselError):
    http_status = 429
    grpc_code = "RESOURCE_EXHAUSTED"
    reason = "credits_exceeded"


class MethodNotAllowed(CarouselError):
    http_status = 405
    grpc_code = "UNIMPLEMENTED"
    reason = "method"

    def __init__(self, message: str, allowed: str) -> None:
        super().__init__(message)
        self.allowed = allowed


class Overloaded(CarouselError):
    http_status = 429
    grpc_code = "RESOURCE_EXHAUSTED"
    reason = "queue_full"

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeadlineUnreachable(Overloaded):
    reason = "deadline_unreachable"


class TooManySessions(Overloaded):
    reason = "too_many_sessions"


class RateLimited(Overloaded):
    reason = "rate_limited"


class TooManyConcurrent(Overloaded):
    reason = "too_many_concurrent"


class Unavailable(CarouselError):
    http_status = 503
    grpc_code = "UNAVAILABLE"
    reason = "unavailable"


class TooManyConnections(Unavailable):
    reason = "too_many_connections"
    retry_after_s: ClassVar[float] = 1.0


class SessionAway(Unavailable):
    reason = "session_away"


class StoreUnavailable(Unavailable):
    reason = "session_store"


class StoreFull(StoreUnavailable):
    reason = "session_store_full"


class DeadlineExceeded(CarouselError):
    http_status = 504
    grpc_code = "DEADLINE_EXCEEDED"
    reason = "deadline"


class EngineFailed(CarouselError):
    """An engine could not compute a batch; `fault` says in one word why."""

    reason = "engine_failed"
    fault = "error"


class EngineOutOfMemory(EngineFailed):
    """Fewer rows may well fit."""

    fault = "out_of_memory"


class EngineStalled(EngineFailed):
    """Nothing came back in time; the call may still be running."""

    fault = "stall"


class EngineNotFinite(EngineFailed):
    """The output is not finite though the input was."""

    fault = "not_finite"


class EngineBroken(EngineFailed):
    """The engine will not work again without being made anew."""

    fault = "broken"


def as_engine_failed(failure: Exception) -> EngineFailed:
    """What a caller is told of whatever went wrong with its batch."""
    return (
        failure if isinstance(failure, EngineFailed) else EngineFailed(str(failure) or type(failure).__name__)
    )


class NotServable(CarouselError):
    """What keeps a server, a bundle or an engine from serving; no request can cause it."""


class InvalidSettings(NotServable):
    """The server cannot start like this."""

    reason = "invalid_settings"


class InvalidBundle(NotServable):
    reason = "invalid_bundle"


def refusal_reasons() -> set[str]:
    """Every reason a request can be counted under, beside `client_gone`."""
    reasons = {CarouselError.reason}
    waiting: list[type[CarouselError]] = [CarouselError]
    while waiting:
        children = [child for child in waiting.pop().__subclasses__() if child is not NotServable]
        reasons |= {child.reason for child in children}
        waiting += children
    return reasons
