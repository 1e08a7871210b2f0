"""What one gRPC client may cost: metadata, streams, connections; and its key, request by request."""

from __future__ import annotations

import grpc
import numpy as np
import pytest
from api_keys import KEYS, entry, key_file
from grpc_door import GrpcDoor, infer_fields, question
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from on_a_loop import on_a_loop

from service.api.grpc.messages import SERVICE

FINE = question().SerializeToString()


def key(name: str) -> tuple[tuple[str, str], ...]:
    return (("x-api-key", name),)


@on_a_loop
async def test_metadata_larger_than_allowed_is_refused():
    async with GrpcDoor(max_header_bytes=4096) as door:
        refused = await door.refusal("ServerLive", b"", metadata=(("x-large", "x" * 10_000),))
        assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await door.call("ServerLive", b"", timeout=20, metadata=(("x-fits", "x" * 2000),))


@on_a_loop
async def test_each_request_of_a_stream_takes_from_its_keys_allowance(tmp_path):
    path = tmp_path / "keys.toml"
    path.write_text(entry("slow", "slow-key", "infer", "requests_per_s = 0.001", "burst = 2"))
    async with GrpcDoor(api_keys_file=path) as door:
        stream = door.stream(metadata=key("slow-key"))
        for _ in range(3):
            await stream.write(question())
        await stream.done_writing()
        errors = [response.error_message async for response in stream]
        assert errors == ["", "", "requests: slow may send 0.001 a second"]
        refused = await door.refusal("ModelInfer", FINE, metadata=key("slow-key"))
        assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert int(dict(refused.trailing_metadata())["retry-after"]) in range(990, 1001)


@on_a_loop
async def test_a_call_gives_its_place_back_whether_answered_or_refused():
    async with GrpcDoor(concurrent_requests=1) as door:
        held = await door.memory.hold()
        refused = await door.refusal("ModelInfer", FINE)
        assert refused.details() == "requests: 1 of anonymous are being answered, at most 1 may be"
        door.memory.backends["sums"].gate.set()
        await held
        for body in (FINE, b"nonsense", FINE):
            if body == FINE:
                assert await door.call("ModelInfer", body, timeout=20)
            else:
                assert (await door.refusal("ModelInfer", body)).code() is grpc.StatusCode.INVALID_ARGUMENT


@on_a_loop
async def test_the_health_of_a_model_is_told_to_who_may_ask_the_model_and_that_of_the_server_to_all(tmp_path):
    async with GrpcDoor(api_keys_file=key_file(tmp_path)) as door:
        health = HealthStub(door.channel)
        for service in ("", SERVICE):
            assert (await health.Check(HealthCheckRequest(service=service))).status == 1
            assert (await health.Watch(HealthCheckRequest(service=service)).read()).status == 1
        for service in ("sums", "nobody"):
            for asked in (
                health.Check(HealthCheckRequest(service=service)),
                health.Watch(HealthCheckRequest(service=service)),
            ):
                assert await asked.code() is grpc.StatusCode.UNAUTHENTICATED
        told = await health.Check(HealthCheckRequest(service="sums"), metadata=key(KEYS["user"]))
        assert told.status == 1


@on_a_loop
async def test_more_connections_than_allowed_are_not_served():
    async with GrpcDoor(max_connections=2) as door:
        others = [
            grpc.aio.insecure_channel(door.address, options=[("grpc.use_local_subchannel_pool", 1)])
            for _ in range(2)
        ]
        asks = [channel.unary_unary(f"/{SERVICE}/ServerLive") for channel in others]
        assert await asks[0](b"", timeout=20) is not None
        assert await door.call("ServerLive", b"", timeout=20) is not None
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await asks[1](b"", timeout=2)
        assert refused.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
        for channel in others:
            await channel.close()


@on_a_loop
async def test_a_connection_without_calls_is_closed_after_its_time():
    async with GrpcDoor(grpc_idle_s=0.05) as door:
        await door.call("ServerLive", b"", timeout=20)
        while door.channel.get_state() is grpc.ChannelConnectivity.READY:
            await door.channel.wait_for_state_change(grpc.ChannelConnectivity.READY)
        assert await door.ask("ModelInfer", **infer_fields(np.ones((1, 1, 2), np.float32)))
