"""grpc.health.v1: the standard question of balancers and of Kubernetes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthServicer

from service.api.grpc.messages import SERVICE
from service.errors import CarouselError
from service.repository.readiness import faults
from service.repository.registry import Registry


class Health(HealthServicer):  # type: ignore[misc]
    """The server's health under `""` and the service's name, a model's under the model's name."""

    def __init__(self, registry: Registry, is_ready: Callable[[], bool]) -> None:
        self._registry = registry
        self._is_ready = is_ready
        self._is_draining = asyncio.Event()

    def drain(self) -> None:
        """Tell those who watch."""
        self._is_draining.set()

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        status = await self._status(request.service)
        if status == HealthCheckResponse.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"service: there is no {request.service[:100]}")
        return HealthCheckResponse(status=status)

    async def Watch(self, request: Any, _: Any) -> AsyncIterator[Any]:  # noqa: N802 - the protocol's name
        """What is so now, and that it is no more once the server drains."""
        status = await self._status(request.service)
        yield HealthCheckResponse(status=status)
        await self._is_draining.wait()
        if status == HealthCheckResponse.SERVING:
            yield HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING)

    async def _status(self, service: str) -> Any:
        if service in ("", SERVICE):
            models = self._registry.models
        else:
            try:
                models = [self._registry.find(service)]
            except CarouselError:
                return HealthCheckResponse.SERVICE_UNKNOWN
        is_serving = self._is_ready() and not await faults(models)
        return HealthCheckResponse.SERVING if is_serving else HealthCheckResponse.NOT_SERVING
