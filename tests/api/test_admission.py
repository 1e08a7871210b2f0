"""Keys and limits over HTTP."""

from __future__ import annotations

import pytest
from api_keys import entry, key_file
from doors import DOORS, FINE
from live_server import LiveServer, request
from memory_server import MemoryServer
from on_a_loop import on_a_loop
from structlog.testing import capture_logs


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "header",
    [
        {"authorization": "Bearer infer-key"},
        {"authorization": "bearer  infer-key "},
        {"x-api-key": "infer-key"},
        {"authorization": "Basic dXNlcg==", "x-api-key": "infer-key"},
    ],
)
@on_a_loop
async def test_a_key_is_taken_from_either_header(tmp_path, door, header):
    async with MemoryServer(api_keys_file=key_file(tmp_path)) as server:
        path = DOORS[door].format("sums")
        assert (await server.post(path, FINE[door], **header)).status_code == 200
        refusal = await server.post(path, FINE[door], authorization="Basic infer-key")
        assert refusal.status_code == 401
        assert refusal.headers["www-authenticate"] == "Bearer"
        assert server.metric("rejected_total", reason="unauthenticated") == 1
        assert server.metric("admitted_total", key="user") == 1


@on_a_loop
async def test_a_caller_without_a_key_is_refused_before_its_body_is_read(tmp_path):
    async with LiveServer(api_keys_file=key_file(tmp_path)) as server:
        connection = await server.connect()
        await connection.send(b"POST /predict/sums HTTP/1.1\r\nContent-Length: 1000\r\n\r\n")
        assert (await connection.reply()).status == 401


@on_a_loop
async def test_a_key_at_its_limit_is_told_when_to_come_back_and_others_are_answered(tmp_path):
    path = tmp_path / "keys.toml"
    path.write_text(entry("slow", "slow-key", "infer", "requests_per_s = 0.1") + entry("fast", "fast-key"))
    async with MemoryServer(api_keys_file=path) as server:
        answers = [
            await server.post("/predict/sums", FINE["predict"], **{"x-api-key": "slow-key"}) for _ in "12"
        ]
        assert [answer.status_code for answer in answers] == [200, 429]
        assert answers[1].headers["retry-after"] == "10"
        assert answers[1].json()["error"] == "requests: slow may send 0.1 a second"
        assert server.metric("rejected_total", reason="rate_limited") == 1
        metadata = await server.client.get("/v2/models/sums", headers={"x-api-key": "slow-key"})
        assert metadata.status_code == 429
        assert (await server.client.get("/v2/health/ready")).status_code == 200
        other = await server.post("/predict/sums", FINE["predict"], **{"x-api-key": "fast-key"})
        assert other.status_code == 200


@on_a_loop
async def test_requests_at_a_time_are_limited_and_a_place_is_free_again_after_answer_and_failure():
    async with MemoryServer(concurrent_requests=1) as server:
        held = await server.hold()
        refusal = await server.post("/predict/sums", FINE["predict"])
        assert (refusal.status_code, refusal.headers["retry-after"]) == (429, "1")
        assert server.metric("rejected_total", reason="too_many_concurrent") == 1
        server.backends["sums"].gate.set()
        assert (await held).status_code == 200
        for body, status in ((b"{", 400), (FINE["predict"], 200), (FINE["predict"], 200)):
            assert (await server.post("/predict/sums", body)).status_code == status
        assert (await server.client.get("/v2/models/nobody")).status_code == 404
        assert (await server.client.get("/v2/models/sums")).status_code == 200


@on_a_loop
async def test_a_caller_that_leaves_gives_its_place_back():
    async with LiveServer(concurrent_requests=1) as server:
        connection = await server.connect()
        await connection.send(b"POST /predict/sums HTTP/1.1\r\nContent-Length: 1000\r\n\r\n{")
        await server.until(lambda: server.memory.metric("admitted_total", key="anonymous") == 1)
        assert (await server.ask(request())).status == 429
        await connection.leave()
        await server.until(lambda: server.memory.metric("rejected_total", reason="client_gone") == 1)
        assert (await server.ask(request())).status == 200


@pytest.mark.parametrize(
    "path", ["/v2/models/sums", "/v2/models/nobody", "/nowhere", "/metrics", "/", "/docs"]
)
@on_a_loop
async def test_every_answer_has_a_request_id_and_keeps_the_callers(path):
    async with MemoryServer() as server:
        assert (await server.client.get(path)).headers["x-request-id"]
        for given, is_kept in (("order-66", True), ("x" * 129, False)):
            answer = await server.client.get(path, headers={"x-request-id": given})
            assert (answer.headers["x-request-id"] == given) == is_kept
            assert len(answer.headers.get_list("x-request-id")) == 1


@on_a_loop
async def test_a_route_that_breaks_is_an_answer_in_our_words_with_its_id():
    async with MemoryServer() as server:
        server.carousel.registry.add_failure("sums", "not a number", "spoilt")
        with capture_logs() as logs:
            answer = await server.client.post("/v2/repository/index", headers={"x-request-id": "order-66"})
        assert [line["request_id"] for line in logs] == ["order-66"]
        assert answer.status_code == 500
        assert answer.json()["error"].startswith("internal error")
        assert answer.headers["x-request-id"] == "order-66"


@pytest.mark.parametrize("path", ["/v2/models/sums", "/v2/repository/index", "/metrics"])
@on_a_loop
async def test_no_route_takes_a_body_larger_than_allowed(path):
    async with LiveServer(max_body_bytes=1000) as server:
        reply = await server.ask(request(path, b"x" * 1001, "POST"))
        assert (reply.status, reply.error) == (413, "body: 1001 bytes or more, at most 1000 are allowed")


@on_a_loop
async def test_where_a_server_cannot_refuse_a_websocket_in_http_it_is_closed_before_it_is_accepted(tmp_path):
    scope = {"type": "websocket", "path": "/stream", "headers": [], "root_path": "", "scheme": "ws"}
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    async with MemoryServer(api_keys_file=key_file(tmp_path)) as server:
        await server.carousel(scope, receive, send)
        assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]
        assert server.metric("rejected_total", reason="unauthenticated") == 1
