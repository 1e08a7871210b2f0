"""OpenAPI for what is refused: which statuses a route may answer, and what they say."""

from __future__ import annotations

from typing import Any

from service.admission.roles import Role, role_for_path

_REFUSALS = {
    "400": "malformed, ragged, wrong shape or type, or not finite; names the field",
    "401": "no API key, an unknown or an expired one, where the server has keys",
    "403": "the key may not do this, or nobody may, as the server is set up",
    "404": "no such model or version",
    "408": "the header did not come in time",
    "413": "body, sequence or request too large",
    "415": "a content type or encoding that is not read here",
    "429": "the queue is full, or the caller's limit reached; Retry-After says when to come back",
    "431": "the header is too large",
    "500": "the engine could not run this sequence",
    "503": "loading, draining, no healthy engine, or too many connections",
    "504": "the deadline passed before the answer, or the body did not come in time",
}
_OF_SESSIONS = {
    "404": "no such model, version or session",
    "409": "the session is open already or runs elsewhere, or the step is not the one due",
    "410": "the session has ended; says why",
}
# Of these a route says nothing itself: they are decided before it is asked.
_ANYWHERE = {
    "408": _REFUSALS["408"],
    "431": _REFUSALS["431"],
    "500": "an error that nobody foresaw; the server's log has it",
}
_FOR_CALLERS = {
    "401": _REFUSALS["401"],
    "403": _REFUSALS["403"],
    "413": "the body is too large",
    "429": "the caller's limit is reached; Retry-After says when to come back",
    "503": "too many connections; Retry-After says when to come back",
}
_WITH_A_BODY = {"504": "the body did not come in time"}
_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
_CONTENT = {"application/json": {"schema": _ERROR}}
_RETRY_AFTER = {
    "Retry-After": {"description": "whole seconds", "schema": {"type": "integer", "minimum": 1}},
    "Retry-After-Ms": {"description": "the same in milliseconds", "schema": {"type": "integer"}},
}


def inference_refusals() -> dict[str, Any]:
    """Responses by status of a hot route."""
    return {status: _refusal(status, text) for status, text in _REFUSALS.items()}


def session_refusals() -> dict[str, Any]:
    """What is refused beside that of a request that goes on with a session."""
    return {status: _refusal(status, text) for status, text in _OF_SESSIONS.items()}


def document_refusals(paths: dict[str, Any]) -> None:
    """Add to FastAPI's operations what is refused before they are asked, and the form of every refusal."""
    for path, operations in paths.items():
        for operation in operations.values():
            _document(operation["responses"], _decided_before(path, operation))


def _document(responses: dict[str, Any], before: dict[str, str]) -> None:
    # FastAPI promises a 422 of its own wherever a path has a name in it; no such name can be invalid.
    responses.pop("422", None)
    own = {status: said["description"] for status, said in responses.items() if status >= "400"}
    refused = before | own
    responses.update((status, _refusal(status, refused[status])) for status in sorted(refused))


def _decided_before(path: str, operation: dict[str, Any]) -> dict[str, str]:
    # The pages may be open to everybody or not; callers must be ready for either.
    role = role_for_path(path, are_pages_open=False)
    with_key = {} if role is Role.EVERYBODY else _FOR_CALLERS
    return _ANYWHERE | with_key | (_WITH_A_BODY if "requestBody" in operation else {})


def _refusal(status: str, description: str) -> dict[str, Any]:
    refusal = {"description": description, "content": _CONTENT}
    return refusal | {"headers": _RETRY_AFTER} if status == "429" else refusal
