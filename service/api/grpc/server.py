"""The gRPC server: its own port, the same predictor, drained with the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from service.admission.admission import Admission
from service.api.error_responses import ErrorResponses
from service.api.grpc.calls import Answer, Calls
from service.api.grpc.departed_callers import leave_out_departed_callers
from service.api.grpc.doorkeeper import Doorkeeper
from service.api.grpc.health import Health
from service.api.grpc.in_flight import InFlight
from service.api.grpc.inference import Inference
from service.api.grpc.messages import POOL, SERVICE
from service.api.grpc.model_control import ModelControl
from service.api.grpc.questions import Questions
from service.api.grpc.refusals import Refusals
from service.api.grpc.security import server_credentials
from service.api.grpc.streams import Streams
from service.api.tls import tls_files
from service.errors import Unavailable
from service.predictor import Predictor
from service.repository.lifecycle import Lifecycle
from service.settings import Settings
from service.telemetry.tracing import Tracing

_HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
# Answers on their way out when the last call is done, and watchers of the health, get this long.
_PARTING_S = 1.0
_KEEPALIVE_MS = 20_000


class GrpcServer:
    """`start` on the event loop it is to serve on; `drain`, then `stop` it there."""

    def __init__(
        self,
        predictor: Predictor,
        errors: ErrorResponses,
        is_ready: Callable[[], bool],
        settings: Settings,
        lifecycle: Lifecycle,
        admission: Admission,
        tracing: Tracing | None = None,
    ) -> None:
        self._settings = settings
        self._admission = admission
        refusals = Refusals(errors)
        self._in_flight = InFlight()
        inference = Inference(predictor)
        self._streams = Streams(inference, refusals, self._in_flight, admission, tracing)
        self._health = Health(predictor.registry, is_ready, admission, refusals)
        leave_out_departed_callers()
        self._server = grpc.aio.server(options=_options(settings))
        calls = Calls(refusals, self._in_flight, admission)
        questions = Questions(predictor.registry, is_ready, settings.max_request_rows)
        infer = calls.unary("ModelInfer", inference.answer, tracing)
        self._add_service(calls, questions.methods() | ModelControl(lifecycle).methods(), infer, refusals)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        _add_reflection(self._server)

    async def start(self, port: int) -> str:
        """Listen on `port`, 0 for a free one; returns `host:port`, raises Unavailable where it is taken."""
        host = self._settings.host
        name = f"[{host}]" if ":" in host else host
        try:
            bound = self._bind(f"{name}:{port}")
        except RuntimeError:
            raise Unavailable(f"grpc_port: cannot listen on {name}:{port}: is it taken?") from None
        await self._server.start()
        return f"{name}:{bound}"

    def _bind(self, address: str) -> int:
        files = tls_files(self._settings)
        if files is None:
            return int(self._server.add_insecure_port(address))
        return int(self._server.add_secure_port(address, server_credentials(files)))

    def drain(self) -> None:
        """Tell those who watch the health that it is over; calls are still accepted."""
        self._health.drain()

    async def stop(self) -> None:
        """Accept nothing more, answer what was accepted within the time of a request, then close."""
        self.drain()
        self._in_flight.close()
        self._streams.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._in_flight.all_answered(), self._settings.default_timeout_s)
        await self._in_flight.quiet()
        # Only now: gRPC's own way to refuse a call meanwhile is to cancel it, which tells no client to retry.
        await self._server.stop(_PARTING_S)

    def _add_service(
        self, calls: Calls, methods: dict[str, Answer], infer: grpc.RpcMethodHandler, refusals: Refusals
    ) -> None:
        handlers = {name: calls.unary(name, answer) for name, answer in methods.items()}
        handlers["ModelInfer"] = infer
        handlers["ModelStreamInfer"] = self._streams.handler()
        # The first that has a handler for a method answers it.
        doorkeeper = Doorkeeper(self._admission, refusals, handlers)
        generic = grpc.method_handlers_generic_handler(SERVICE, handlers)
        self._server.add_generic_rpc_handlers((doorkeeper, generic))


def _options(settings: Settings) -> list[tuple[str, Any]]:
    options = [
        ("grpc.max_receive_message_length", settings.max_body_bytes),
        ("grpc.max_send_message_length", -1),
        # A second server on the same port would take half of the first one's connections.
        ("grpc.so_reuseport", 0),
        # The first is where gRPC begins to refuse by lot, the second where it always does.
        ("grpc.max_metadata_size", settings.max_header_bytes),
        ("grpc.absolute_max_metadata_size", settings.max_header_bytes),
        ("grpc.max_concurrent_streams", settings.grpc_max_streams),
        ("grpc.max_allowed_incoming_connections", settings.max_connections),
        ("grpc.max_connection_idle_ms", round(settings.grpc_idle_s * 1000)),
        # Dead peers are found; live ones may ask as often as clients behind balancers do, and not more.
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", _KEEPALIVE_MS // 2),
        ("grpc.http2.max_ping_strikes", 2),
    ]
    if settings.grpc_max_age_s is not None:
        options += [
            ("grpc.max_connection_age_ms", round(settings.grpc_max_age_s * 1000)),
            ("grpc.max_connection_age_grace_ms", round(settings.default_timeout_s * 1000)),
        ]
    return options


def _add_reflection(server: grpc.aio.Server) -> None:
    """Lists what is served; its pool is ours, with the descriptions of the standard services added."""
    for described in (health_pb2, reflection_pb2):
        POOL.AddSerializedFile(described.DESCRIPTOR.serialized_pb)
    reflection.enable_server_reflection((SERVICE, _HEALTH, reflection.SERVICE_NAME), server, POOL)
