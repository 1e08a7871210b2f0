"""Every route and every method, with every kind of key: the same answer over HTTP and over gRPC."""

from __future__ import annotations

import grpc
import pytest
from api_keys import KEYS, key_file
from grpc_door import GrpcDoor
from memory_server import MemoryServer
from on_a_loop import on_a_loop

from service.admission.roles import Role, role_for_method, role_for_path
from service.api.grpc.messages import POOL, SERVICE
from service.app import Carousel

CALLERS = {
    "none": None,
    "wrong": "nonsense",
    "infer": KEYS["user"],
    "admin": KEYS["boss"],
    "expired": KEYS["late"],
}
# Doors that may come: they are guarded before they are there.
FURTHER_PATHS = {"/v2/logging", "/v2/repository/models/sums/load", "/v2/repository/models/sums/unload"}
FURTHER_METHODS = {"RepositoryModelLoad", "RepositoryModelUnload", "LogSettings", "NeverHeardOf"}
TWINS = {
    "/v2/models/sums": "ModelMetadata",
    "/v2/models/sums/ready": "ModelReady",
    "/v2/repository/index": "RepositoryIndex",
    "/v2/repository/models/sums/load": "RepositoryModelLoad",
    "/v2/logging": "LogSettings",
    "/v2/health/ready": "ServerReady",
}


def refusal_due(role: Role, caller: str) -> int | None:
    """The status with which this caller is refused, None where it is let in."""
    if role is Role.EVERYBODY:
        return None
    if caller in ("none", "wrong", "expired"):
        return 401
    return 403 if role is Role.ADMIN and caller == "infer" else None


def headers_of(caller: str) -> dict[str, str]:
    key = CALLERS[caller]
    return {} if key is None else {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize("are_pages_open", [True, False])
@pytest.mark.parametrize("caller", CALLERS)
@on_a_loop
async def test_every_route_lets_in_whom_its_role_lets_in(tmp_path, caller, are_pages_open):
    async with MemoryServer(
        api_keys_file=key_file(tmp_path), model_control="keys", open_pages=are_pages_open
    ) as server:
        documented = Carousel._fastapi(server.carousel, server.carousel.errors).openapi()["paths"]
        operations = {(path, method) for path, methods in documented.items() for method in methods}
        assert len(operations) > 15
        operations |= {(path, "post") for path in FURTHER_PATHS} | {("/", "get"), ("/docs", "get")}
        for template, method in operations:
            path = template.replace("{model}", "sums").replace("{version}", "1")
            answer = await server.client.request(method, path, headers=headers_of(caller))
            role = role_for_path(path, are_pages_open, method.upper(), is_state_trusted=False)
            due = refusal_due(role, caller)
            assert due == answer.status_code or (due is None and answer.status_code not in (401, 403)), path
            assert ("www-authenticate" in answer.headers) == (due == 401)
            assert answer.headers["x-request-id"]


@pytest.mark.parametrize("caller", CALLERS)
@on_a_loop
async def test_every_method_lets_in_whom_its_role_lets_in(tmp_path, caller):
    methods = set(POOL.FindServiceByName(SERVICE).methods_by_name) | FURTHER_METHODS
    async with GrpcDoor(api_keys_file=key_file(tmp_path), model_control="keys") as door:
        for method in methods - {"ModelStreamInfer"}:
            code = await code_of(door, method, caller)
            due = refusal_due(role_for_method(f"/{SERVICE}/{method}", are_pages_open=True), caller)
            assert CODES.get(due) == code or (due is None and code not in CODES.values()), method
        stream = door.stream(metadata=tuple(headers_of(caller).items()))
        await stream.done_writing()
        assert await stream.code() is CODES.get(refusal_due(Role.INFER, caller), grpc.StatusCode.OK)


CODES = {401: grpc.StatusCode.UNAUTHENTICATED, 403: grpc.StatusCode.PERMISSION_DENIED}


async def code_of(door, method, caller):
    try:
        await door.call(method, b"", timeout=20, metadata=tuple(headers_of(caller).items()))
    except grpc.aio.AioRpcError as refused:
        return refused.code()
    return None


@pytest.mark.parametrize("with_keys", [True, False])
@pytest.mark.parametrize("path", TWINS)
@on_a_loop
async def test_both_protocols_refuse_in_the_same_words(tmp_path, path, with_keys):
    settings = {"api_keys_file": key_file(tmp_path)} if with_keys else {}
    async with GrpcDoor(model_control="keys", **settings) as door:
        for caller in CALLERS:
            answer = await door.memory.client.request("GET", path, headers=headers_of(caller))
            try:
                await door.call(TWINS[path], b"", timeout=20, metadata=tuple(headers_of(caller).items()))
                words, trailers = None, {}
            except grpc.aio.AioRpcError as refused:
                words, trailers = refused.details(), dict(refused.trailing_metadata())
            if answer.status_code in (401, 403):
                assert answer.json()["error"] == words
                assert answer.headers.get("www-authenticate") == trailers.get("www-authenticate")
                assert trailers["x-request-id"]
            else:
                assert "key" not in (words or "")


@on_a_loop
async def test_without_keys_only_what_an_admin_does_is_closed():
    async with GrpcDoor(model_control="keys") as door:
        client = door.memory.client
        assert (await client.post("/v2/repository/models/sums/unload")).status_code == 403
        assert (await client.post("/v2/repository/index")).status_code == 200
        assert await code_of(door, "RepositoryModelUnload", "none") is grpc.StatusCode.PERMISSION_DENIED
        assert await code_of(door, "NeverHeardOf", "none") is grpc.StatusCode.UNIMPLEMENTED
