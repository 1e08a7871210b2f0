"""Real bundles in one real application behind sockets: HTTP with WebSockets, and gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import uvicorn
from plain_http import NO_TLS
from questions import Served
from serving import running

from service.api.http_server import http_config
from service.app import Carousel
from service.settings import Settings

_LONGEST_WAIT_S = 20.0


@dataclass(frozen=True)
class LiveBundles(Served):
    """Ways to one server, and the server."""

    carousel: Carousel
    ws: str

    def sessions(self, model: str) -> Any:
        """The table of a model's open sessions."""
        return self.carousel.registry.find(model).sessions


@asynccontextmanager
async def live_bundles(models_dir: Path, **settings: Any) -> AsyncIterator[LiveBundles]:
    """In service from beginning to end."""
    given = {"engines": (), "session_store": None} | settings
    carousel = Carousel(Settings(models_dir=models_dir, **given))
    config = http_config(carousel, carousel.settings, carousel.errors)
    config.port, config.lifespan = 0, "off"
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    async with running(carousel):
        await server.startup()
        host, port = server.servers[0].sockets[0].getsockname()
        rpc = carousel.grpc_server()
        async with (
            httpx.AsyncClient(
                base_url=f"http://{host}:{port}", timeout=_LONGEST_WAIT_S, verify=NO_TLS
            ) as http,
            grpc.aio.insecure_channel(await rpc.start(0)) as channel,
        ):
            yield LiveBundles(http, channel, carousel, f"ws://{host}:{port}")
        await rpc.stop()
        for listener in server.servers:
            listener.close()
            await listener.wait_closed()
