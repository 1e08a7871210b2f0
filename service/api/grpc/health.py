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
from service.errors import CarouselError, NotFound
from service.repository.readiness import faults
from service.repository.registry import Registry

_EVERYBODYS = ("", SERVICE)
# A canary that was late once must not keep a balancer away for ever.
LOOK_S = 5.0


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
        self._draining = asyncio.Event()

    def drain(self) -> None:
        """Tell those who watch."""
        self._draining.set()

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        await self._check_caller(request.service, context)
        status = await self._status(request.service)
        if status == HealthCheckResponse.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"service: there is no {request.service[:100]}")
        return HealthCheckResponse(status=status)

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802 - the protocol's name
        """What is so now and whenever that changes, until the server drains.

        Loads and unloads are told at once, what only asking an engine can tell within `LOOK_S`.
        """
        await self._check_caller(request.service, context)
        told = None
        while True:
            # Read before the status, so that what changes meanwhile is not missed.
            change, is_last = self._registry.next_change, self._draining.is_set()
            status = await self._status(request.service)
            if status != told:
                yield HealthCheckResponse(status=status)
                told = status
            if is_last:
                return
            await _either(change, self._draining)

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
            except NotFound:
                return HealthCheckResponse.SERVICE_UNKNOWN
            except CarouselError:
                return HealthCheckResponse.NOT_SERVING
        is_serving = not self._draining.is_set() and self._is_ready() and not await faults(models)
        return HealthCheckResponse.SERVING if is_serving else HealthCheckResponse.NOT_SERVING


async def _either(*events: asyncio.Event) -> None:
    """Wait for the first of them, `LOOK_S` at most."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
