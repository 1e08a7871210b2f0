"""Admission for gRPC: who may call what, and a place for each request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import grpc

from service.admission.admission import Admission
from service.admission.credentials import shown_key
from service.admission.limits import Allowance
from service.admission.roles import role_for_method
from service.api.call import request_id
from service.api.grpc.messages import SERVICE
from service.api.grpc.refusals import Refusals
from service.errors import CarouselError


def metadata_key(metadata: Iterable[tuple[str, str | bytes]] | None) -> bytes | None:
    """The API key in a call's metadata."""
    headers = {
        name.encode(): value if isinstance(value, bytes) else value.encode() for name, value in metadata or ()
    }
    return shown_key(headers)


class Place:
    """`with place(…):` around each request of one method; costs nothing where nobody is ever refused."""

    def __init__(self, admission: Admission, method: str) -> None:
        self._role = role_for_method(f"/{SERVICE}/{method}", admission.are_pages_open)
        self._admission = admission.guarding(self._role)

    def take(self, context: Any) -> Allowance | None:
        """To be released once the request is answered; raises CarouselError."""
        if self._admission is None:
            return None
        return self._admission.admit(metadata_key(context.invocation_metadata()), self._role)

    def check(self, context: Any) -> None:
        """The same question without taking a place; raises CarouselError."""
        if self._admission is not None:
            self._admission.caller(metadata_key(context.invocation_metadata()), self._role)


class Doorkeeper(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Asked first about every method that does not take its own place: standard services, unknown names."""

    def __init__(self, admission: Admission, refusals: Refusals, own: Iterable[str]) -> None:
        self._admission = admission
        self._refusals = refusals
        self._own = frozenset(f"/{SERVICE}/{name}" for name in own)

    def service(self, details: Any) -> grpc.RpcMethodHandler | None:
        """A handler that refuses, or None: then gRPC goes on and asks the others."""
        if details.method in self._own:
            return None
        role = role_for_method(details.method, self._admission.are_pages_open)
        admission = self._admission.guarding(role)
        try:
            if admission is not None:
                admission.caller(metadata_key(details.invocation_metadata), role)
        except CarouselError as failure:
            return self._refusing(failure, details.method)
        return None

    def _refusing(self, failure: CarouselError, method: str) -> grpc.RpcMethodHandler:
        async def refuse(_: Any, context: Any) -> None:
            identity = request_id({}).decode()
            refusal = self._refusals.refusal(failure, identity, method)
            await context.abort(
                refusal.code, refusal.message, (("x-request-id", identity), *refusal.metadata)
            )

        # Of all kinds the one that suits a caller of any.
        return grpc.stream_stream_rpc_method_handler(refuse)
