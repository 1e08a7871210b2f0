"""How uvicorn serves the application: its configuration, and the port for the health alone."""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from service.api.error_responses import ErrorResponses
from service.api.health_only import HealthOnly
from service.api.http_connection import connection_limits
from service.api.http_parting import PartingConnection
from service.api.stream_timers import StreamLimits
from service.api.stream_upgrade import UpgradingConnection
from service.errors import NotFound, Unavailable
from service.settings import Settings


def http_config(app: Any, settings: Settings, errors: ErrorResponses) -> uvicorn.Config:
    """Bounded connections, and none of uvicorn's own logs and headers."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=_connection(UpgradingConnection, settings, errors),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
    )


def _connection(
    kind: type[PartingConnection], settings: Settings, errors: ErrorResponses
) -> type[PartingConnection]:
    """A class that holds what its connections need: uvicorn makes them and gives them nothing of ours."""
    held = {
        "__slots__": (),
        "limits": connection_limits(settings),
        "write_timeout_s": settings.write_timeout_s,
        "errors": errors,
        "stream_limits": StreamLimits(
            settings.max_body_bytes, settings.stream_ping_s, settings.write_timeout_s
        ),
    }
    return type("Connection", (kind,), held)


class HealthPort:
    """A listener that answers /v2/health/ in plain HTTP, whatever the other ports ask of a client."""

    def __init__(self, app: Any, settings: Settings, errors: ErrorResponses) -> None:
        self._settings = settings
        self._config = http_config(HealthOnly(app, errors, _elsewhere), settings, errors)
        self._kind = _connection(PartingConnection, settings, errors)
        # Its connections are none of those that the application's limit counts.
        self._state = ServerState()
        self._server: asyncio.Server | None = None

    async def start(self, port: int) -> tuple[str, int]:
        """Listen, on a free port for 0; raises Unavailable where it is taken."""
        self._config.load()
        try:
            self._server = await asyncio.get_running_loop().create_server(
                self._connection, self._settings.host, port
            )
        except OSError as failure:
            raise Unavailable(f"health_port: cannot listen on {port}: {failure.strerror}") from None
        host, bound = self._server.sockets[0].getsockname()[:2]
        return host, bound

    def stop(self) -> None:
        """Accept nothing more and close what is idle."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._state.connections):
            connection.shutdown()

    def _connection(self) -> asyncio.Protocol:
        return self._kind(config=self._config, server_state=self._state, app_state={})


def _elsewhere() -> NotFound:
    return NotFound("path: this port answers /v2/health/live and /v2/health/ready only")
