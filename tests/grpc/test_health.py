"""Readiness, the standard health service, and reflection."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_door import GrpcDoor
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub
from on_a_loop import on_a_loop

from service.api.grpc import health
from service.api.grpc.messages import SERVICE
from service.repository.model_states import UNLOADED, State

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


@pytest.mark.parametrize("service", ["", SERVICE, "sums"])
@on_a_loop
async def test_health_follows_readiness(service):
    async with GrpcDoor() as door:
        health = HealthStub(door.channel)
        request = HealthCheckRequest(service=service)
        assert (await health.Check(request)).status == SERVING
        assert (await door.ask("ServerReady")).ready
        assert (await door.ask("ModelReady", name="sums")).ready
        door.memory.carousel.drain()
        assert (await health.Check(request)).status == NOT_SERVING
        assert not (await door.ask("ServerReady")).ready
        assert not (await door.ask("ModelReady", name="sums")).ready


@on_a_loop
async def test_a_model_that_does_not_serve_is_not_ready_and_no_error():
    async with GrpcDoor() as door:
        door.memory.carousel.registry.add_failure("broken", "1", "its file is torn")
        for name in ("nobody", "broken"):
            assert not (await door.ask("ModelReady", name=name)).ready
        assert (await door.ask("ServerLive")).live


@on_a_loop
async def test_a_model_whose_engine_fails_its_canary_is_not_ready():
    async with GrpcDoor() as door:
        door.memory.backends["sums"].fails_on = {0.0}
        door.memory.clock.skipped_s = 60.0
        assert not (await door.ask("ModelReady", name="sums")).ready
        assert (await door.ask("ModelReady", name="running")).ready


@on_a_loop
async def test_the_health_of_a_service_nobody_knows_is_not_found():
    async with GrpcDoor() as door:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await HealthStub(door.channel).Check(HealthCheckRequest(service="nobody"))
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND


@on_a_loop
async def test_who_watches_the_health_is_told_when_the_server_drains():
    async with GrpcDoor() as door:
        watched = HealthStub(door.channel).Watch(HealthCheckRequest())
        assert (await watched.read()).status == SERVING
        door.memory.carousel.drain()
        door.server.drain()
        assert (await watched.read()).status == NOT_SERVING


@on_a_loop
async def test_who_watches_a_model_is_told_of_its_unload_and_its_load_and_of_no_other():
    async with GrpcDoor() as door:
        registry = door.memory.carousel.registry
        (model,) = registry.serving("sums").values()
        watched = HealthStub(door.channel).Watch(HealthCheckRequest(service="sums"))
        other = HealthStub(door.channel).Watch(HealthCheckRequest(service="letters"))
        assert (await watched.read()).status == (await other.read()).status == SERVING
        registry.replace("sums", [model])
        registry.replace("sums", [])
        registry.states.tell("sums", "1", State.UNLOADING)
        assert (await watched.read()).status == NOT_SERVING
        registry.states.tell("sums", "1", State.UNAVAILABLE, UNLOADED)
        assert (await watched.read()).status == HealthCheckResponse.SERVICE_UNKNOWN
        registry.states.tell("sums", "1", State.LOADING)
        assert (await watched.read()).status == NOT_SERVING
        registry.states.forget("sums", "1")
        registry.replace("sums", [model])
        assert (await watched.read()).status == SERVING
        door.server.drain()
        for watch in (watched, other):
            assert (await watch.read()).status == NOT_SERVING
            assert await watch.read() is grpc.aio.EOF


@on_a_loop
async def test_who_watches_what_nobody_knows_is_told_once_it_is_there():
    async with GrpcDoor() as door:
        registry = door.memory.carousel.registry
        (model,) = registry.serving("sums").values()
        registry.replace("sums", [])
        watched = HealthStub(door.channel).Watch(HealthCheckRequest(service="sums"))
        assert (await watched.read()).status == HealthCheckResponse.SERVICE_UNKNOWN
        registry.add(model)
        assert (await watched.read()).status == SERVING


@on_a_loop
async def test_who_watches_is_told_of_an_engine_that_fails_and_of_its_recovery(monkeypatch):
    monkeypatch.setattr(health, "LOOK_S", 0.001)
    async with GrpcDoor() as door:
        watched = HealthStub(door.channel).Watch(HealthCheckRequest(service="sums"))
        assert (await watched.read()).status == SERVING
        door.memory.backends["sums"].fails_on = {0.0}
        door.memory.clock.skipped_s = 60.0
        assert (await watched.read()).status == NOT_SERVING
        door.memory.backends["sums"].fails_on = set()
        assert (await watched.read()).status == SERVING


@on_a_loop
async def test_watches_that_are_given_up_leave_nothing_behind():
    async with GrpcDoor() as door:
        await door.ask("ServerLive")
        before = len(asyncio.all_tasks())
        watches = [HealthStub(door.channel).Watch(HealthCheckRequest(service="sums")) for _ in range(20)]
        for watch in watches:
            assert (await watch.read()).status == SERVING
        assert len(asyncio.all_tasks()) > before + len(watches)
        for watch in watches:
            watch.cancel()
        await door.until(lambda: len(asyncio.all_tasks()) <= before)


@on_a_loop
async def test_a_model_that_does_not_answer_is_not_serving_and_the_others_are():
    async with GrpcDoor() as door:
        door.memory.clock.skipped_s = 31
        door.memory.backends["sums"].failures_left = 1
        health = HealthStub(door.channel)
        assert (await health.Check(HealthCheckRequest(service="sums"))).status == NOT_SERVING
        assert (await health.Check(HealthCheckRequest(service="letters"))).status == SERVING


@on_a_loop
async def test_reflection_lists_the_services_and_describes_ours():
    async with GrpcDoor() as door:
        asked = ServerReflectionStub(door.channel).ServerReflectionInfo()
        await asked.write(ServerReflectionRequest(list_services=""))
        listed = (await asked.read()).list_services_response.service
        assert {service.name for service in listed} == {
            SERVICE,
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
        }
        for service in listed:
            await asked.write(ServerReflectionRequest(file_containing_symbol=service.name))
            described = (await asked.read()).file_descriptor_response.file_descriptor_proto
            names = FileDescriptorProto.FromString(described[0]).service
            assert service.name.split(".")[-1] in {one.name for one in names}
        await asked.done_writing()
