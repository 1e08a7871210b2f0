"""The carousel's report in its smallest form."""

from __future__ import annotations

import numpy as np
import orjson
import pytest
from live_server import LiveServer
from on_a_loop import on_a_loop
from stream_client import binary_step
from typer.testing import CliRunner
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from load_tests.__main__ import app
from load_tests.address import Address
from load_tests.carousel.stream_client import StreamClient, StreamFailed, frame_at, step_frame


def test_the_command_steps_streams_and_sends_short_sequences_beside_long_ones(tmp_path):
    path = tmp_path / "carousel.json"
    few = ["--sessions", "1,9", "--streams", "2,70", "--seconds", "0.1"]
    ran = CliRunner().invoke(app, ["carousel", *few, "--json", str(path)])
    assert ran.exit_code == 0, ran.output
    results = orjson.loads(path.read_bytes())["results"]
    assert [each["sessions"] for each in results["stepping"]] == [1, 9]
    assert results["stepping"][1]["rows_per_tick"] > 1 == results["stepping"][0]["rows_per_tick"]
    assert [each["way"] for each in results["head_of_line"]] == ["whole", "carousel"]
    assert [each["streams"] for each in results["streamed"]] == [2, 70]
    for each in results["streamed"]:
        # However slow the machine: no stream has two steps under way.
        assert 0 < each["steps_per_s"] * each["p50_ms"] / 1e3 < 3 * each["streams"]
        assert each["p50_ms"] <= each["p99_ms"]
    assert "over WebSockets" in ran.output


def test_a_frame_of_the_server_is_read_when_all_of_it_is_there():
    for content in (b"x" * 5, b"y" * 300, b"z" * 70_000):
        sent = Frame(Opcode.BINARY, content).serialize(mask=False)
        assert frame_at(b"12" + sent, 2) == (Opcode.BINARY, content, 2 + len(sent))
        assert frame_at(b"12" + sent[:-1], 2) is None
        assert frame_at(sent[:1], 0) is None


def test_a_step_s_frame_is_a_masked_one_of_the_streams_own_form():
    steps = np.arange(60, dtype=np.float32).reshape(30, 2)
    server = Protocol(Side.SERVER)
    server.receive_data(step_frame(steps))
    (received,) = server.events_received()
    assert (received.opcode, received.data) == (Opcode.BINARY, binary_step(steps))


@on_a_loop
async def test_a_stream_that_is_refused_says_why_and_so_does_one_that_is_ended():
    step = step_frame(np.zeros((1, 2), np.float32))
    async with LiveServer() as server:
        address = Address(*server.address)
        with pytest.raises(StreamFailed, match="404"):
            await StreamClient.open(address, "nobody", step)
        client = await StreamClient.open(address, "sums", step_frame(np.zeros((1, 3), np.float32)))
        client.begin(0.0)
        with pytest.raises(StreamFailed, match="1 steps of FP32"):
            await client.ended
        await client.close()
        client = await StreamClient.open(address, "sums", step)
        client.begin(0.0)
        await client.ended
        assert len(client.latencies_s) == 1
        await client.close()
