"""ModelStreamInfer: many inferences over one call, answered in the order they were asked."""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

import grpc

from service.admission.admission import Admission
from service.api.grpc.calls import call_id
from service.api.grpc.doorkeeper import Place
from service.api.grpc.in_flight import InFlight
from service.api.grpc.inference import Inference
from service.api.grpc.messages import ModelInferRequest, ModelStreamInferResponse, parsed
from service.api.grpc.refusals import Refusals
from service.api.grpc.traced import rpc_ended, rpc_trace
from service.errors import CarouselError
from service.telemetry.tracing import Tracing

_MOST_AT_ONCE = 64
_METHOD = "ModelStreamInfer"
_Answers: TypeAlias = asyncio.Queue[asyncio.Task[bytes] | None]


class Streams:
    """Requests of one stream run together and may share a batch; a refused one does not end its stream."""

    def __init__(
        self,
        inference: Inference,
        refusals: Refusals,
        in_flight: InFlight,
        admission: Admission,
        tracing: Tracing | None = None,
    ) -> None:
        self._inference = inference
        self._refusals = refusals
        self._in_flight = in_flight
        self._tracing = tracing
        self._place = Place(admission, _METHOD)
        self._is_closing = asyncio.Event()

    def close(self) -> None:
        """Read nothing more; streams end when what they sent so far is answered."""
        self._is_closing.set()

    def handler(self) -> grpc.RpcMethodHandler:
        return grpc.stream_stream_rpc_method_handler(self._serve)

    async def _serve(self, _: Any, context: Any) -> None:
        with self._in_flight:
            identity = call_id(context)
            await self._check_caller(context, identity)
            try:
                await self._converse(context, identity)
            except (asyncio.CancelledError, ExceptionGroup) as end:
                # What was written to a client that has left may fail before gRPC cancels the call.
                if isinstance(end, ExceptionGroup) and end.split(grpc.aio.InternalError)[1] is not None:
                    raise
                self._refusals.count_cancelled(context.time_remaining(), identity, _METHOD)
                raise asyncio.CancelledError from None
            if self._is_closing.is_set():
                await context.abort(grpc.StatusCode.UNAVAILABLE, "stream: the server is shutting down")

    async def _check_caller(self, context: Any, identity: str) -> None:
        """Each request takes its own place; who may send none is told when the stream opens."""
        try:
            self._place.check(context)
        except CarouselError as failure:
            refusal = self._refusals.refusal(failure, identity, _METHOD)
            await context.abort(refusal.code, refusal.message, refusal.metadata)

    async def _converse(self, context: Any, identity: str) -> None:
        # Once it is full nothing more is read, and the client's flow control holds it up.
        answers: _Answers = asyncio.Queue(_MOST_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            group.create_task(_write(answers, context))
            while (body := await self._next(context)) is not None:
                await answers.put(group.create_task(self._answer(body, identity, context)))
            await answers.put(None)

    async def _next(self, context: Any) -> bytes | None:
        """The stream's next request, None where it has ended or is to end."""
        reading = asyncio.ensure_future(context.read())
        closing = asyncio.ensure_future(self._is_closing.wait())
        try:
            await asyncio.wait((reading, closing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            closing.cancel()
            if not reading.done():
                reading.cancel()
        if reading.cancelled() or not reading.done() or reading.result() is grpc.aio.EOF:
            return None
        body: bytes = reading.result()
        return body

    async def _answer(self, body: bytes, identity: str, context: Any) -> bytes:
        response, taken = ModelStreamInferResponse(), None
        tracing, remaining_s = self._tracing, context.time_remaining()
        trace = None if tracing is None else rpc_trace(tracing, _METHOD, context, identity)
        try:
            taken = self._place.take(context)
            request = parsed(ModelInferRequest, body)
            response.infer_response.id = request.id
            response.infer_response.CopyFrom(await self._inference.answer(request, remaining_s, trace))
            if trace is not None:
                rpc_ended(trace, grpc.StatusCode.OK)
        except asyncio.CancelledError:
            if trace is not None:
                rpc_ended(trace, grpc.StatusCode.CANCELLED)
            raise
        except Exception as failure:  # noqa: BLE001 - whatever one request meets, the stream goes on
            response.error_message = self._refusals.refusal(failure, identity, _METHOD, trace).message
        finally:
            if taken is not None:
                taken.release()
        serialized: bytes = response.SerializeToString()
        return serialized


async def _write(answers: _Answers, context: Any) -> None:
    while (answer := await answers.get()) is not None:
        await context.write(await answer)
