"""Who may have a stream: keys, limits and pages, before it is accepted and at every step."""

from __future__ import annotations

import base64

import pytest
from api_keys import KEYS, entry, key_file
from live_server import LiveServer
from on_a_loop import on_a_loop
from stream_client import connected, refusal, streaming

STEP = {"sequence": [[1, 2]]}


def in_subprotocol(key: str) -> str:
    return "key." + base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


@on_a_loop
async def test_a_key_comes_in_a_header_or_for_pages_in_a_subprotocol_that_is_not_sent_back(tmp_path):
    async with LiveServer(api_keys_file=key_file(tmp_path)) as server:
        for options in (
            {"additional_headers": {"Authorization": f"Bearer {KEYS['user']}"}},
            {"additional_headers": {"X-API-Key": KEYS["user"]}},
            {"subprotocols": ["carousel", in_subprotocol(KEYS["user"])]},
        ):
            async with connected(server, query="?rows=1", **options) as client:
                assert (await client.hear())["type"] == "opened"
                assert client.socket.subprotocol in {None, "carousel"}
                assert (await client.ask("step", **STEP))["step"] == 1


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"additional_headers": {"X-API-Key": "guess"}},
        {"additional_headers": {"X-API-Key": KEYS["late"]}},
        {"subprotocols": ["carousel", in_subprotocol("guess")]},
        {"subprotocols": ["carousel", "key.!!"]},
        {"subprotocols": ["carousel", "key.A"]},
    ],
)
@on_a_loop
async def test_without_a_key_that_holds_nobody_is_accepted_or_learns_a_model_s_name(tmp_path, options):
    async with LiveServer(api_keys_file=key_file(tmp_path)) as server:
        for path in ("/v2/models/sums/stream", "/v2/models/nobody/stream"):
            reply = await refusal(server, path, **options)
            assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
            assert reply.error.startswith("api key: ")


@on_a_loop
async def test_a_key_that_is_withdrawn_ends_its_streams_with_their_next_step(tmp_path):
    path = key_file(tmp_path)
    async with (
        LiveServer(api_keys_file=path) as server,
        connected(server, query="?rows=1", additional_headers={"X-API-Key": KEYS["user"]}) as client,
    ):
        await client.hear()
        assert (await client.ask("step", **STEP))["step"] == 1
        path.write_text(entry("boss", KEYS["boss"], "admin"))
        server.memory.carousel.admission._keys._watch._next_look_s = 0
        told = await client.ask("step", **STEP)
        assert (told["status"], told["final"]) == (401, True)
        assert await client.closed() == (4401, "unauthenticated")


@on_a_loop
async def test_every_step_counts_as_a_request_and_one_too_many_may_come_again():
    async with LiveServer(requests_per_s=0.001, request_burst=3) as server:
        async with streaming(server) as (client, _):
            assert [(await client.ask("step", **STEP))["type"] for _ in range(2)] == ["output", "output"]
            told = await client.ask("step", step=3, **STEP)
            assert (told["status"], told["code"], told["final"]) == (429, "rate_limited", False)
            assert told["retry_after_ms"] > 1000
        reply = await refusal(server)
        assert (reply.status, int(reply.headers["retry-after"]) > 1) == (429, True)


@on_a_loop
async def test_an_idle_stream_takes_no_place_and_a_running_step_takes_one():
    async with (
        LiveServer(concurrent_requests=1) as server,
        streaming(server) as (client, _),
        streaming(server) as (other, _),
    ):
        await client.ask("step", **STEP)
        held = await server.memory.hold("running")
        told = await other.ask("step", step=1, **STEP)
        assert (told["code"], told["status"]) == ("too_many_concurrent", 429)
        server.memory.backends["running"].gate.set()
        await held
        assert (await other.ask("step", step=1, **STEP))["step"] == 1


@pytest.mark.parametrize(
    ("origin", "allowed", "status"),
    [
        ("http://{host}", "", 101),
        ("https://{host}", "", 101),
        ("https://evil.example", "", 403),
        ("https://evil.example", "https://app.example", 403),
        ("https://app.example", "https://app.example", 101),
        ("https://any.example", "*", 101),
        ("null", "", 403),
        ("null", '["null"]', 101),
        ("http://[", "", 403),
        ("", "", 403),
    ],
)
@on_a_loop
async def test_a_page_of_another_origin_may_not_have_a_stream_unless_a_setting_names_it(
    origin, allowed, status
):
    async with LiveServer(cors_origins=allowed) as server:
        host, port = server.address
        options = {"origin": origin.format(host=f"{host}:{port}")}
        if status == 101:
            async with connected(server, query="?rows=1", **options) as client:
                assert (await client.hear())["type"] == "opened"
        else:
            reply = await refusal(server, **options)
            assert (reply.status, reply.error.startswith("origin: pages of")) == (403, True)


@on_a_loop
async def test_a_stream_has_the_request_id_of_its_opening():
    async with LiveServer() as server:
        headers = {"X-Request-Id": "order-66"}
        async with connected(server, additional_headers=headers) as client:
            assert client.socket.response.headers["X-Request-Id"] == "order-66"
        assert (await refusal(server, "/elsewhere", additional_headers=headers)).status == 404
        reply = await refusal(server, "/v2/models/none/stream", additional_headers=headers)
        assert (reply.status, reply.headers["x-request-id"]) == (404, "order-66")
