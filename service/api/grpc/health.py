"""grpc.health.v1: the standard question of balancers and of Kubernetes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthServicer

from service.admission.admission import Admission
from service.admission.roles import Role
from service.api.grpc.calls import call_id
from service.api.grpc.doorkeeper import metadata_key
from service.api.grpc.messages import SERVICE
from service.api.grpc.refusals import Refusals
from service.errors import CarouselError
from service.repository.readiness import faults
from service.repository.registry import Registry

_EVERYBODYS = ("", SERVICE)


class Health(HealthServicer):  # type: ignore[misc]
    """The server's health under `""` and the service's name, a model's under the model's name.

    The server's is everybody's to ask. Under any other name, which would tell who asks what is served
    here, it takes what asking the model itself takes.
    """

    def __init__(
        self, registry: Registry, is_ready: Callable[[], bool], admission: Admission, refusals: Refusals
    ) -> None:
        self._admission = admission.guarding(Role.INFER)
        self._refusals = refusals
        self._registry = registry
        self._is_ready = is_ready
        self._is_draining = asyncio.Event()

    def drain(self) -> None:
        """Tell those who watch."""
        self._is_draining.set()

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        await self._check_caller(request.service, context)
        status = await self._status(request.service)
        if status == HealthCheckResponse.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"service: there is no {request.service[:100]}")
        return HealthCheckResponse(status=status)

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802 - the protocol's name
        """What is so now, and that it is no more once the server drains."""
        await self._check_caller(request.service, context)
        status = await self._status(request.service)
        yield HealthCheckResponse(status=status)
        await self._is_draining.wait()
        if status == HealthCheckResponse.SERVING:
            yield HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING)

    async def _check_caller(self, service: str, context: Any) -> None:
        if self._admission is None or service in _EVERYBODYS:
            return
        try:
            self._admission.caller(metadata_key(context.invocation_metadata()), Role.INFER)
        except CarouselError as failure:
            refusal = self._refusals.refusal(failure, call_id(context), "Health")
            await context.abort(refusal.code, refusal.message, refusal.metadata)

    async def _status(self, service: str) -> Any:
        if service in _EVERYBODYS:
            models = self._registry.models
        else:
            try:
                models = [self._registry.find(service)]
            except CarouselError:
                return HealthCheckResponse.SERVICE_UNKNOWN
        is_serving = self._is_ready() and not await faults(models)
        return HealthCheckResponse.SERVING if is_serving else HealthCheckResponse.NOT_SERVING
