"""What stands before FastAPI: request ids, admission, and the limits of a body."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.admission.admission import Admission
from service.admission.credentials import shown_key
from service.admission.roles import Role, role_for_path
from service.api.call import BodyLimits, check_announced
from service.api.error_responses import ErrorResponses
from service.api.refusal import send_refusal
from service.api.request_ids import Identified
from service.errors import BodyTooLarge, CarouselError, DeadlineExceeded


class Guard:
    """Asks by path, so that a route somebody adds is guarded before anybody thought of it."""

    def __init__(
        self, app: ASGIApp, admission: Admission, limits: BodyLimits, errors: ErrorResponses
    ) -> None:
        self._app = app
        self._admission = admission
        self._limits = limits
        self._errors = errors
        self._identified = Identified(self._guarded)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._identified(scope, receive, send)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, place = dict(scope["headers"]), None
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        role = self._role(path, scope.get("method", "GET"))
        admission = self._admission.guarding(role)
        try:
            check_announced(headers, self._limits.max_bytes)
            if admission is not None:
                place = admission.admit(shown_key(headers), role)
        except CarouselError as refusal:
            await send_refusal(self._errors, refusal, headers[b"x-request-id"], path, send)
            return
        try:
            # Starlette raises a failure again that our handler has logged and answered.
            with suppress(Exception):
                await self._app(scope, limited(receive, self._limits), send)
        finally:
            if place is not None:
                place.release()

    def _role(self, path: str, method: str) -> Role:
        admission = self._admission
        return role_for_path(
            path, admission.are_pages_open, method, is_state_trusted=admission.is_state_trusted
        )


def limited(receive: Receive, limits: BodyLimits) -> Receive:
    """The same messages; raises BodyTooLarge or DeadlineExceeded from the one that goes too far."""
    size, due_s, is_complete = 0, asyncio.get_running_loop().time() + limits.timeout_s, False

    async def receive_limited() -> Message:
        nonlocal size, is_complete
        if is_complete:
            return await receive()
        try:
            async with asyncio.timeout_at(due_s):
                message = await receive()
        except TimeoutError:
            raise DeadlineExceeded(f"body: not received within {limits.timeout_s:g} s") from None
        size += len(message.get("body", b""))
        if size > limits.max_bytes:
            raise BodyTooLarge(f"body: {size} bytes or more, at most {limits.max_bytes} are allowed")
        is_complete = not message.get("more_body", False)
        return message

    return receive_limited
