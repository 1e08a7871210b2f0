"""A refusal sent before any door or framework has seen the request."""

from __future__ import annotations

from starlette.types import Send

from service.api.error_responses import ErrorResponses


async def send_refusal(
    errors: ErrorResponses, failure: Exception, request_id: bytes, path: str, send: Send
) -> None:
    """Count, log and answer a failure over ASGI."""
    answer = errors.answer(failure, request_id.decode(), path)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(answer.body)).encode()),
        (b"x-request-id", request_id),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
