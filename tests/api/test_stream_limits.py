"""What a stream may not do: send ahead without end, read nothing, fall silent, send nonsense."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from contextlib import suppress

import numpy as np
import pytest
from live_server import Connection, LiveServer
from on_a_loop import on_a_loop
from stream_client import (
    HEAD,
    accepted,
    binary_step,
    connected,
    frame,
    offer,
    refusal,
    server_frame,
    streaming,
)
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode

STEP = {"sequence": [[1, 2]]}


@on_a_loop
async def test_who_sends_more_than_its_credits_is_refused_and_closed():
    async with LiveServer(stream_credits=3) as server, streaming(server) as (client, _):
        held = await server.memory.hold()
        for _ in range(4):
            await client.say("step", **STEP)
        told = await client.hear()
        assert (told["code"], told["status"], told["final"]) == ("credits_exceeded", 429, True)
        assert told["message"] == "credits: 3 messages are unanswered, at most 3 may be"
        assert await client.closed() == (1008, "credits_exceeded")
        server.memory.backends["sums"].gate.set()
        await held
        # The step that ran for it was given up.
        assert server.memory.metric("sessions_active", model="sums", version="1") == 0


@on_a_loop
async def test_every_answer_gives_a_credit_back():
    async with LiveServer(stream_credits=2) as server, streaming(server) as (client, _):
        await client.say("step", **STEP)
        for number in range(1, 40):
            await client.say("step", **STEP)
            assert (await client.hear())["step"] == number


@on_a_loop
async def test_who_reads_nothing_is_not_read_from_and_then_disconnected():
    steps = np.ones((20_000, 2), np.float32)
    async with LiveServer(write_timeout_s=0.1, stream_credits=1024) as server:
        narrow = socket.socket()
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        narrow.connect(server.address)
        narrow.setblocking(False)
        connection = await accepted(server, "/v2/models/running/stream?rows=1", sock=narrow, limit=1024)

        async def send_on():
            while True:
                await connection.send(frame(binary_step(steps), Opcode.BINARY))

        with pytest.raises(ConnectionError):
            await asyncio.wait_for(send_on(), 20)
        await server.all_left()
        # Had it been read, there would be hundreds.
        assert server.memory.metric("stream_messages_total", direction="in") < 100
        await server.until(lambda: server.memory.metric("streams_open") == 0)
        assert server.memory.metric("streams_closed_total", code="1006", reason="unread") == 1
        assert server.memory.metric("sessions_active", model="running", version="1") == 0


@on_a_loop
async def test_who_answers_pings_stays_and_who_falls_silent_is_disconnected():
    async with LiveServer(stream_ping_s=0.05) as server:
        connection = await accepted(server)
        assert json.loads((await server_frame(connection))[1])["type"] == "opened"
        for _ in range(3):
            assert (await server_frame(connection))[0] == Opcode.PING
            await connection.send(frame(b"", Opcode.PONG))
        await connection.send(frame(json.dumps({"type": "step", **STEP}).encode()))
        while (said := await server_frame(connection))[0] == Opcode.PING:
            pass
        assert json.loads(said[1])["type"] == "output"
        await server.all_left()
        await server.until(lambda: server.memory.metric("streams_open") == 0)
        assert server.memory.metric("streams_closed_total", code="1006", reason="silent") == 1
        assert server.memory.metric("sessions_active", model="sums", version="1") == 0


@on_a_loop
async def test_who_reads_slowly_is_not_taken_for_one_who_does_not_read():
    count = 1_000_000
    limits = {"max_sequence_steps": count, "max_body_bytes": 16 << 20}
    async with LiveServer(write_timeout_s=0.4, **limits) as server:
        narrow = socket.socket()
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        narrow.connect(server.address)
        narrow.setblocking(False)
        connection = await accepted(server, "/v2/models/running/stream?rows=1", sock=narrow, limit=1024)
        await server_frame(connection)
        await connection.send(frame(binary_step(np.ones((count, 2), np.float32)), Opcode.BINARY))
        # Eight megabytes of answer, of which a few thousand bytes are read in a while of the timeout.
        for _ in range(30):
            assert await connection._reader.read(2048), "cut off"
            await asyncio.sleep(0.05)
        assert server.memory.metric("streams_open") == 1


@on_a_loop
async def test_a_client_s_own_pings_are_answered():
    async with LiveServer() as server, streaming(server) as (client, _):
        assert await (await client.socket.ping()) >= 0


@on_a_loop
async def test_a_message_over_the_body_limit_closes_its_stream_and_says_why():
    async with LiveServer(max_body_bytes=1000) as server:
        for size in (1001, 8192, 100_000, 3_000_000) * 3:
            async with streaming(server) as (client, _):
                # What is still on its way must not keep the client from reading the farewell.
                with suppress(ConnectionClosed):
                    await client.socket.send(b"x" * size)
                    await client.socket.send(b"x" * size)
                code, reason = await client.closed()
                assert code == 1009, (size, reason)
        await server.until(lambda: server.memory.metric("sessions_active", model="sums", version="1") == 0)


@on_a_loop
async def test_who_is_at_fault_and_does_not_leave_is_cut(monkeypatch):
    monkeypatch.setattr("service.api.stream_timers._FAREWELL_S", 0.05)
    async with LiveServer() as server:
        connection = await accepted(server)
        await server_frame(connection)
        connection.writer.write(frame(b"\xff"))
        opcode, content = await server_frame(connection)
        assert (opcode, content[:2]) == (Opcode.CLOSE, (1007).to_bytes(2, "big"))
        with pytest.raises(ConnectionError):
            await _send_for_ever(connection)
        await server.until(lambda: server.memory.metric("streams_open") == 0)


async def _send_for_ever(connection: Connection) -> None:
    while True:
        await asyncio.wait_for(connection.send(frame(b"x" * 65536)), 5)


HEADER = HEAD.pack(1, 1, 1, 0, 0)
NAN = binary_step(np.array([[np.nan, 1]], np.float32))
GARBAGE = {
    "nothing": "",
    "no json": "{",
    "a number": "7",
    "a list": "[]",
    "null": "null",
    "no type": "{}",
    "an unknown type": '{"type": "sing"}',
    "a type that is no text": '{"type": ["step"]}',
    "a step of nothing": '{"type": "step"}',
    "an unknown field": '{"type": "step", "sequence": [[1, 2]], "colour": 1}',
    "two kinds of sequences": '{"type": "step", "sequence": [[1, 2]], "sequences": [[[1, 2]]]}',
    "an empty sequence": '{"type": "step", "sequence": []}',
    "ragged steps": '{"type": "step", "sequence": [[1, 2], [3]]}',
    "steps of another width": '{"type": "step", "sequence": [[1, 2, 3]]}',
    "words for numbers": '{"type": "step", "sequence": [["one", "two"]]}',
    "truth for numbers": '{"type": "step", "sequence": [[true, 2]]}',
    "numbers too large": '{"type": "step", "sequence": [[1e300, 2]]}',
    "NaN": '{"type": "step", "sequence": [[NaN, 2]]}',
    "too many rows": '{"type": "step", "sequences": [[[1, 2]], [[1, 2]]]}',
    "no rows": '{"type": "step", "sequences": []}',
    "step zero": '{"type": "step", "step": 0, "sequence": [[1, 2]]}',
    "a step that is no number": '{"type": "step", "step": "1", "sequence": [[1, 2]]}',
    "a deadline in the past": '{"type": "step", "sequence": [[1, 2]], "timeout_ms": -1}',
    "a close with more": '{"type": "close", "session": "x"}',
    "deep nesting": '{"type": "step", "sequence": ' + "[" * 900 + "]" * 900 + "}",
    "an empty frame": b"",
    "half a header": HEADER[:7],
    "an output": HEAD.pack(2, 1, 1, 0, 0),
    "another format": HEAD.pack(1, 9, 1, 0, 0),
    "flags": HEAD.pack(1, 1, 1, 1, 0),
    "no row in the header": HEAD.pack(1, 1, 0, 0, 0),
    "no lengths": HEADER,
    "lengths cut off": HEAD.pack(1, 1, 60_000, 0, 0) + bytes(12),
    "a length of four billion": HEADER + struct.pack("<I", 0xFFFF_FFFF) + bytes(8),
    "a length of zero": HEADER + struct.pack("<I", 0),
    "half a value": HEADER + struct.pack("<I", 1) + bytes(7),
    "a value too many": HEADER + struct.pack("<I", 1) + bytes(12),
    "a number that is none": NAN,
}


@on_a_loop
async def test_nonsense_of_any_kind_is_answered_and_harms_neither_its_stream_nor_a_neighbour():
    async with LiveServer() as server, streaming(server) as (client, _), streaming(server) as (neighbour, _):
        for number, (name, said) in enumerate(GARBAGE.items(), 1):
            await client.socket.send(said)
            told = await client.hear()
            assert (told["type"], told["status"], told["final"]) == ("error", 400, False), (name, told)
            assert (await client.ask("step", step=1, **STEP))["outputs"] == [[1.0, 7.0]]
            assert (await neighbour.ask("step", **STEP))["step"] == number


FAULTS = {
    "an unmasked frame": (frame(b"{}", mask=False), 1002),
    "reserved bits": (b"\xf1" + frame(b"{}")[1:], 1002),
    "an unknown opcode": (b"\x83" + frame(b"{}")[1:], 1002),
    "a long ping": (b"\x89\xfe\x00\x80" + bytes(132), 1002),
    "a stray continuation": (frame(b"{}", Opcode.CONT), 1002),
    "a message within a message": (frame(b"{", fin=False) + frame(b"{}"), 1002),
    "text that is not UTF-8": (frame(b"\xff\xfe"), 1007),
    "a close that says nothing": (frame(b"", Opcode.CLOSE), None),
    "a close with half a code": (frame(b"\x03", Opcode.CLOSE), 1002),
}


@pytest.mark.parametrize("fault", FAULTS)
@on_a_loop
async def test_what_is_no_websocket_closes_its_connection_and_frees_what_it_held(fault):
    said, code = FAULTS[fault]
    async with LiveServer() as server:
        connection = await accepted(server)
        await server_frame(connection)
        await connection.send(said)
        opcode, content = await server_frame(connection)
        assert opcode == Opcode.CLOSE
        assert content[:2] == (b"" if code is None else struct.pack("!H", code))
        await connection.leave()
        await server.all_left()
        await server.until(lambda: server.memory.metric("sessions_active", model="sums", version="1") == 0)
        assert server.memory.metric("streams_open") == 0


@on_a_loop
async def test_a_message_in_many_small_frames_is_one_message():
    said = json.dumps({"type": "step", **STEP}).encode()
    parts = [said[at : at + 1] for at in range(len(said))]
    async with LiveServer() as server:
        connection = await accepted(server)
        await server_frame(connection)
        await connection.send(
            frame(b"", fin=False),
            *(frame(part, Opcode.CONT, fin=False) for part in parts),
            frame(b"", Opcode.CONT),
        )
        assert json.loads((await server_frame(connection))[1])["outputs"] == [[1.0, 7.0]]


@on_a_loop
async def test_ten_thousand_frames_at_once_are_refused_without_being_kept():
    async with LiveServer() as server:
        connection = await accepted(server)
        await server_frame(connection)
        await connection.send(frame(b"7") * 10_000)
        told = {}
        while not told.get("final"):
            told = json.loads((await server_frame(connection))[1])
        assert told["code"] == "credits_exceeded"
        assert (await server_frame(connection))[0] == Opcode.CLOSE
        await connection.send(frame(b"", Opcode.CLOSE))
        await server.all_left()
        assert server.memory.metric("streams_open") == 0


@on_a_loop
async def test_streams_count_as_connections():
    async with LiveServer(max_connections=2) as server:
        async with streaming(server), streaming(server):
            assert (await server.ask(offer())).status == 503
        await server.all_left()
        assert (await refusal(server, "/v2/models/nobody/stream")).status == 404


@on_a_loop
async def test_two_hundred_streams_at_once_get_their_own_answers():
    async def talk(server: LiveServer, number: int) -> None:
        async with connected(server, query="?rows=1") as client:
            assert (await client.hear())["type"] == "opened"
            for step in range(1, 4):
                said = await client.ask("step", sequence=[[number, step]])
                assert said["step"] == step
            assert said["outputs"] == [[3.0, 6.0 * number + 42.0]]

    async with LiveServer() as server:
        await asyncio.gather(*(talk(server, number) for number in range(200)))
        await server.all_left()
        assert server.memory.metric("streams_open") == 0
        assert server.memory.metric("sessions_active", model="sums", version="1") == 0


@on_a_loop
async def test_five_thousand_pings_at_once_are_answered_and_a_neighbour_need_not_wait_for_them():
    async with LiveServer() as server, streaming(server) as (neighbour, _):
        connection = await accepted(server)
        await server_frame(connection)
        await connection.send(frame(b"p", Opcode.PING) * 5000)
        assert (await neighbour.ask("step", **STEP))["step"] == 1
        assert [await server_frame(connection) for _ in range(5000)] == [(Opcode.PONG, b"p")] * 5000
