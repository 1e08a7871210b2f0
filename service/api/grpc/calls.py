"""A gRPC call: its bytes become a message, its errors a status, its end is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

import grpc

from service.admission.admission import Admission
from service.api.call import request_id
from service.api.grpc.doorkeeper import Place
from service.api.grpc.in_flight import InFlight
from service.api.grpc.messages import Message, parsed, request_class
from service.api.grpc.refusals import Refusals
from service.api.grpc.traced import rpc_ended, rpc_trace
from service.telemetry.tracing import Tracing

Answer: TypeAlias = Callable[[Message, float | None], Awaitable[Message]]
"""From a request and the seconds left, None without a deadline, to the response; raises CarouselError."""

_REQUEST_ID = "x-request-id"


class Calls:
    """Makes method handlers for grpc.aio.

    Handlers take and give bytes: what cannot be parsed is then refused in our words, not in gRPC's.
    """

    def __init__(self, refusals: Refusals, in_flight: InFlight, admission: Admission) -> None:
        self._refusals = refusals
        self._admission = admission
        self._in_flight = in_flight

    def unary(
        self, method: str, answer: Callable[..., Awaitable[Message]], tracing: Tracing | None = None
    ) -> grpc.RpcMethodHandler:
        """One request, one response; with `tracing`, `answer` is an Answer that takes a `trace` beside."""
        kind, place = request_class(method), Place(self._admission, method)

        async def call(body: bytes, context: Any) -> bytes:
            identity = call_id(context)
            context.set_trailing_metadata(((_REQUEST_ID, identity),))
            trace = None if tracing is None else rpc_trace(tracing, method, context, identity)
            asked = answer if trace is None else partial(answer, trace=trace)
            with self._in_flight:
                taken = None
                try:
                    self._in_flight.check_open()
                    taken = place.take(context)
                    answered = await _answered(asked, parsed(kind, body), context)
                    if trace is not None:
                        rpc_ended(trace, grpc.StatusCode.OK)
                    return answered  # noqa: TRY300
                except asyncio.CancelledError:
                    self._refusals.count_cancelled(context.time_remaining(), identity, method, trace)
                    raise
                except Exception as failure:  # noqa: BLE001 - the last resort: every request is answered
                    refusal = self._refusals.refusal(failure, identity, method, trace)
                finally:
                    if taken is not None:
                        taken.release()
                metadata = ((_REQUEST_ID, identity), *refusal.metadata)
                # grpc.aio keeps the error that it aborts with, and so this frame, until the garbage collector
                # comes by: hundreds of refused messages would lie about.
                del body
                await context.abort(refusal.code, refusal.message, metadata)
            raise AssertionError("abort raises")

        return grpc.unary_unary_rpc_method_handler(call)


async def _answered(answer: Answer, request: Message, context: Any) -> bytes:
    response = await answer(request, context.time_remaining())
    serialized: bytes = response.SerializeToString()
    return serialized


def call_id(context: Any) -> str:
    """The client's own x-request-id where it is sane, else a new one."""
    given = {name: value for name, value in context.invocation_metadata() or () if name == _REQUEST_ID}
    value = given.get(_REQUEST_ID, "")
    return request_id({_REQUEST_ID.encode(): value if isinstance(value, bytes) else value.encode()}).decode()
