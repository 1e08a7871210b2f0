"""gzip and deflate on the way in and on the way out."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib

import pytest
from live_server import LiveServer, request
from on_a_loop import on_a_loop

MIB = 1 << 20
ASKED = b'{"sequence": [[1, 2]]}'
MANY = json.dumps({"sequences": [[[1, 2]] * 100] * 100}).encode()
PACK = {"gzip": gzip.compress, "deflate": zlib.compress}
UNPACK = {"gzip": gzip.decompress, "deflate": zlib.decompress, "": bytes}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "GZip", " gzip "])
@pytest.mark.parametrize("body", [ASKED, MANY], ids=["small", "large"])
@on_a_loop
async def test_a_packed_body_is_unpacked(encoding, body):
    packed = PACK[encoding.strip().lower()](body)
    async with LiveServer() as server:
        reply = await server.ask(request(body=packed, head=f"Content-Encoding: {encoding}\r\n"))
        plain = await server.ask(request(body=body, head="Content-Encoding: identity\r\n"))
        assert json.loads(reply.body)["predictions"] == json.loads(plain.body)["predictions"]


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("br, GZIP;q=0.5, deflate;q=0.8", "deflate"),
        ("gzip, deflate", "gzip"),
        ("gzip;q=0", ""),
        ("gzip;q=none", ""),
        ("gzip;level=9", "gzip"),
        ("br", ""),
        ("*", ""),
        ("", ""),
    ],
)
@on_a_loop
async def test_a_large_answer_is_packed_as_the_client_likes_it(accepted, encoding):
    async with LiveServer() as server:
        reply = await server.ask(request(body=MANY, head=f"Accept-Encoding: {accepted}\r\n"))
        assert reply.headers.get("content-encoding", "") == encoding
        assert len(json.loads(UNPACK[encoding](reply.body))["predictions"]) == 100


@on_a_loop
async def test_small_answers_and_refusals_are_not_worth_packing():
    async with LiveServer() as server:
        for body, status in ((ASKED, 200), (b'{"%s"}' % (b"x" * 2000), 400)):
            reply = await server.ask(request(body=body, head="Accept-Encoding: gzip\r\n"))
            assert reply.status == status
            assert "content-encoding" not in reply.headers


GZIPPED = gzip.compress(ASKED, mtime=0)


@pytest.mark.parametrize(
    ("encoding", "body", "status", "words"),
    [
        ("gzip", GZIPPED[:-1], 400, "body: its gzip ends too early"),
        ("gzip", GZIPPED[:9], 400, "body: its gzip ends too early"),
        ("gzip", b"", 400, "body: its gzip ends too early"),
        ("gzip", ASKED, 400, "body: is not gzip"),
        ("gzip", GZIPPED[:-6] + b"\0" * 6, 400, "body: is not gzip"),
        ("gzip", GZIPPED + b"more", 400, "body: 4 bytes follow its gzip"),
        ("gzip", GZIPPED + GZIPPED, 400, f"body: {len(GZIPPED)} bytes follow its gzip"),
        ("gzip", zlib.compress(ASKED), 400, "body: is not gzip"),
        ("deflate", GZIPPED, 400, "body: is not deflate"),
        ("deflate", zlib.compress(ASKED)[:-2], 400, "body: its deflate ends too early"),
        ("gzip", gzip.compress(b"{", mtime=0), 400, "body: not valid JSON"),
        ("br", ASKED, 415, "content-encoding: got br, send gzip, deflate or identity"),
        ("gzip, gzip", gzip.compress(GZIPPED, mtime=0), 415, "content-encoding: got gzip, gzip"),
    ],
)
@on_a_loop
async def test_what_cannot_be_unpacked_is_refused(encoding, body, status, words):
    async with LiveServer() as server:
        reply = await server.ask(request(body=body, head=f"Content-Encoding: {encoding}\r\n"))
        assert reply.status == status
        assert words in reply.error
        assert (await server.ask(request())).status == 200


@pytest.mark.parametrize("encoding", PACK)
@on_a_loop
async def test_a_bomb_is_refused_before_it_has_gone_off(encoding):
    bomb = PACK[encoding](b" " * (16 * MIB))
    async with LiveServer(max_body_bytes=MIB) as server:
        tracemalloc.start()
        reply = await server.ask(request(body=bomb, head=f"Content-Encoding: {encoding}\r\n"))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert reply.status == 413
        assert reply.error.startswith(f"body: more than {MIB} bytes once unpacked")
        assert peak < 8 * MIB
        assert (await server.ask(request())).status == 200
