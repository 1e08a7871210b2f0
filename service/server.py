"""Runs the application under uvicorn, and ends it without losing a request."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import structlog
import uvicorn

from service.api.http_drain import HttpDrain
from service.api.http_server import HealthPort, http_config
from service.api.tls import serving_context, tls_files
from service.app import Carousel
from service.errors import InvalidSettings, Unavailable
from service.settings import Settings, unknown_settings
from service.telemetry.logs import configure_logs

if TYPE_CHECKING:
    from service.api.grpc.server import GrpcServer

_logger = structlog.get_logger()

_NEW_OBJECTS_PER_COLLECTION = 20_000


class _Server(uvicorn.Server):
    """uvicorn, but told to stop it first says 'not ready', and it ends with exit status 0."""

    def __init__(
        self,
        config: uvicorn.Config,
        carousel: Carousel,
        on_listening: Callable[[str], None],
        tls: ssl.SSLContext | None,
    ) -> None:
        super().__init__(config)
        self._tls = tls
        self._health = HealthPort(carousel, carousel.settings, carousel.errors)
        self._carousel = carousel
        self._on_listening = on_listening
        self._grpc: GrpcServer | None = None
        self._http = HttpDrain(config, self.server_state)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.config.ssl = self._tls
        await super().startup(sockets)
        await self._listen_for_grpc()
        await self._listen_for_health()
        _spare_the_collector()
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            scheme = "http" if self._tls is None else "https"
            address = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
            _logger.info("listening", address=address)
            self._on_listening(address)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Before the models are closed, which the rest of the shutdown does.
        await asyncio.gather(
            self._http.stop(self.servers, self.lifespan.state),
            self._carousel.streams.stop(),
            *(() if self._grpc is None else (self._grpc.stop(),)),
        )
        self._health.stop()
        await super().shutdown(sockets)

    async def _listen_for_grpc(self) -> None:
        port = self._carousel.settings.grpc_port
        if port is None:
            return
        grpc = self._carousel.grpc_server()
        try:
            address = await grpc.start(port)
        except Unavailable as failure:
            await self._give_up(failure.message)
        self._grpc = grpc
        _logger.info("listening for gRPC", address=address)

    async def _listen_for_health(self) -> None:
        port = self._carousel.settings.health_port
        if port is None:
            return
        try:
            host, port = await self._health.start(port)
        except Unavailable as failure:
            await self._give_up(failure.message)
        _logger.info("listening for health", address=f"{host}:{port}")

    async def _give_up(self, reason: str) -> NoReturn:
        _logger.error("could not start", error=reason)
        await self.shutdown()
        sys.exit(1)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self._carousel.is_ready:
            self.should_exit = True
            return
        # Not here: what the signal interrupts may hold the log's lock, and would never let go of it.
        asyncio.get_running_loop().call_soon_threadsafe(self._drain, sig)

    def _drain(self, sig: int) -> None:
        if not self._carousel.is_ready:
            self.should_exit = True
            return
        _logger.info("draining", signal=signal.Signals(sig).name)
        self._carousel.drain()
        # A load may take as long as a plan does to build, and whoever waits for it would hold up the end.
        self._carousel.lifecycle.stop_loading()
        self._http.begin()
        if self._grpc is not None:
            self._grpc.drain()
        # A balancer needs a moment to see that this server is not ready before connections are refused.
        delay_s = self._carousel.settings.drain_delay_s
        asyncio.get_running_loop().call_later(delay_s, self._leave)

    def _leave(self) -> None:
        self.should_exit = True


def _spare_the_collector() -> None:
    """What start-up made stays, so the garbage collector need not look through it again and again.

    Requests make no cycles: collecting at every 700 new objects, Python's default, finds nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS_PER_COLLECTION, 10, 10)
    gc.enable()


def _say_nothing(carousel: Carousel, address: str) -> None:
    """For callers to whom the log line is enough."""


def serve(settings: Settings, on_listening: Callable[[Carousel, str], None] = _say_nothing) -> int:
    """Serve until SIGTERM or SIGINT; `on_listening` is called once. Returns the exit status."""
    # Importing makes a hundred thousand objects that stay, and hardly any garbage to look for among them.
    gc.freeze()
    configure_logs(settings.log_level, settings.logs_json)
    for name, meant in unknown_settings().items():
        _logger.warning("no such setting", name=name, meant=meant)
    try:
        carousel, tls = Carousel(settings), tls_files(settings)
        context = None if tls is None else serving_context(tls)
    except InvalidSettings as failure:
        _logger.error("could not start", error=failure.message)  # noqa: TRY400 - a sentence says it
        return 1
    config = http_config(carousel, settings, carousel.errors)
    server = _Server(config, carousel, lambda address: on_listening(carousel, address), context)
    try:
        server.run()
    except SystemExit:
        # Newer versions of uvicorn end so where they could not start; the log has said why.
        return 1
    return 0 if server.started else 1
