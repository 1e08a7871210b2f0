"""The front over real sockets: paths, methods and headers of every kind."""

from __future__ import annotations

import json

import pytest
from live_server import LiveServer, request
from on_a_loop import on_a_loop


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/predict/sums", 200),
        ("/predict/%73ums", 200),
        ("/predict/sums?verbose=1", 200),
        ("/predict/%2573ums", 404),
        ("/predict/%ff", 404),
        ("/predict/%zz", 404),
        ("/predict/%", 404),
        ("/predict/%00", 404),
        ("/predict/sums%2F", 404),
        ("/predict/sums%0a", 404),
        ("/predict/..%2f..%2fetc", 404),
        ("/predict/", 404),
        ("/predict", 404),
        ("/predict/sums/", 404),
        ("/predict/sums/versions/", 404),
        ("/predict/sums/versions/1/", 404),
        ("/PREDICT/sums", 404),
        ("//predict/sums", 404),
        ("/nowhere", 404),
        ("/v2/models/sums/infer/", 404),
        ("/v2/models//infer", 404),
    ],
)
@on_a_loop
async def test_only_a_path_that_names_a_model_is_answered(path, status):
    async with LiveServer() as server:
        reply = await server.ask(request(path))
        assert reply.status == status
        assert reply.headers["content-type"] == "application/json"
        assert status == 200 or reply.error


@pytest.mark.parametrize(
    "noise",
    [
        "POST /predict/\xff HTTP/1.1\r\nHost: carousel\r\n\r\n",
        "POST\r\n\r\n",
        "\x16\x03\x01\x02\r\n\r\n",
        "POST /predict/sums HTTP/9.9\r\n\r\n",
        "POST /predict/sums HTTP/1.1\r\nHost: carousel\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "POST /predict/sums HTTP/1.1\r\nHost: carousel\r\nContent-Length: -5\r\n\r\n",
        "POST /predict/sums HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /predict/sums HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /predict/sums HTTP/1.1\r\nContent-Length: " + "9" * 30 + "\r\n\r\n",
        "POST /predict/sums HTTP/1.1\r\nX-Bad: \x00\r\n\r\n",
    ],
)
@on_a_loop
async def test_what_is_no_http_is_refused_and_the_next_caller_is_served(noise):
    async with LiveServer() as server:
        assert (await server.ask(noise.encode("latin-1"))).status == 400
        assert (await server.ask(request())).status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path", ["/predict/sums", "/v2/models/sums/infer"])
@on_a_loop
async def test_a_door_takes_only_post_and_says_so(path, method):
    async with LiveServer() as server:
        reply = await server.ask(request(path, b"", method), has_body=method != "HEAD")
        assert reply.status == 405
        assert reply.headers["allow"] == "POST"
        assert method == "HEAD" or reply.error == f"method: {method} is not possible here, use POST"


@pytest.mark.parametrize("path", ["/metrics", "/v2", "/v2/health/ready", "/v2/models/sums", "/"])
@on_a_loop
async def test_what_can_only_be_read_takes_no_post(path):
    async with LiveServer() as server:
        reply = await server.ask(request(path))
        assert reply.status == 405
        assert "GET" in reply.headers["allow"]
        assert reply.error


@on_a_loop
async def test_a_connection_goes_on_after_a_refusal_and_answers_in_order():
    async with LiveServer() as server:
        connection = await server.connect()
        bodies = [b'{"sequence": [[1, 2]]}', b"{", b'{"sequence": [[3]]}', b'{"sequence": [[3, 2]]}']
        await connection.send(b"".join(request(body=body) for body in bodies))
        replies = [await connection.reply() for _ in bodies]
        assert [reply.status for reply in replies] == [200, 400, 400, 200]
        outputs = [json.loads(replies[index].body)["predictions"][0]["output"] for index in (0, 3)]
        assert outputs == [[1.0, 7.0], [1.0, 9.0]]


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [
        ("order-66", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("", False),
        ("caf\xe9", False),
        ("a\tb", False),
    ],
)
@on_a_loop
async def test_a_request_id_is_kept_where_it_is_sane(given, is_kept):
    async with LiveServer() as server:
        for body in (b'{"sequence": [[1, 2]]}', b"{"):
            reply = await server.ask(request(body=body, head=f"X-Request-Id: {given}\r\n"))
            assert (reply.headers["x-request-id"] == given) == is_kept
            assert reply.headers["x-request-id"]


@on_a_loop
async def test_headers_given_twice_or_in_odd_case_harm_nothing():
    async with LiveServer() as server:
        head = "content-TYPE: application/json\r\nContent-Type: application/json\r\nX-A: 1\r\nX-A: 2\r\n"
        assert (await server.ask(request(head=head))).status == 200
        mixed = "Content-Type: application/json\r\nContent-Type: text/plain\r\n"
        assert (await server.ask(request(head=mixed))).status == 415
        assert (await server.ask(request(head="X-Long: " + "x" * 60_000 + "\r\n"))).status == 200
