"""What a caller must be for what it asks, by path over HTTP and by method over gRPC."""

from __future__ import annotations

from enum import IntEnum


class Role(IntEnum):
    """Each may do what those before it may."""

    EVERYBODY = 0
    INFER = 1
    ADMIN = 2


_SERVICE = "/inference.GRPCInferenceService/"
_REFLECTION = "/grpc.reflection."
_OPEN_METHODS = frozenset({f"{_SERVICE}ServerLive", f"{_SERVICE}ServerReady"})
_ADMIN_METHODS = frozenset(
    f"{_SERVICE}{name}" for name in ("RepositoryModelLoad", "RepositoryModelUnload", "LogSettings")
)
_PAGES = frozenset({"/", "/metrics", "/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"})
_INDEX = "/v2/repository/index"


def role_for_path(
    path: str, are_pages_open: bool, method: str = "GET", *, is_state_trusted: bool = True
) -> Role:
    """What a request to this path needs; a path nobody thought of needs a key where there are keys.

    `is_state_trusted` says that what a client brings as a session's state cannot have been made up.
    """
    if method == "PUT" and not is_state_trusted and _is_state(path):
        return Role.ADMIN
    if path.startswith("/v2/health/"):
        return Role.EVERYBODY
    if path in _PAGES:
        return Role.EVERYBODY if are_pages_open else Role.INFER
    if path.startswith(("/v2/repository", "/v2/logging")) and path.rstrip("/") != _INDEX:
        return Role.ADMIN
    return Role.INFER


def _is_state(path: str) -> bool:
    return path.startswith("/v2/models/") and path.rstrip("/").endswith("/state")


def role_for_method(method: str, are_pages_open: bool) -> Role:
    """The same for `/package.Service/Method`; reflection is to gRPC what the page of the API is to HTTP."""
    if method in _OPEN_METHODS or method.startswith("/grpc.health."):
        return Role.EVERYBODY
    if method.startswith(_REFLECTION) and are_pages_open:
        return Role.EVERYBODY
    return Role.ADMIN if method in _ADMIN_METHODS else Role.INFER
