"""Streams over TLS, and over a change of the model that they are of."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
import websockets
from certificates import Certificates, client_context
from fakes import ManualClock, RunningSumBackend
from live_server import LiveServer
from on_a_loop import on_a_loop
from stream_client import Client, streaming

from service.api.tls import serving_context, tls_files
from service.sessions.handover import hand_over
from service.settings import Settings

STEP = {"sequence": [[1, 2]]}


@on_a_loop
async def test_a_stream_runs_over_tls_and_says_farewell_there_too(tmp_path):
    settings = Certificates(tmp_path).settings
    context = serving_context(tls_files(Settings(**settings)), ManualClock().now)
    async with LiveServer(tls=context, **settings) as server:
        host, port = server.address
        url = f"wss://localhost:{port}/v2/models/sums/stream?rows=1"
        async with websockets.connect(url, host=host, ssl=client_context(), compression=None) as socket:
            client = Client(socket)
            assert (await client.hear())["type"] == "opened"
            assert (await client.ask("step", **STEP))["outputs"] == [[1.0, 7.0]]
            assert (await client.ask("close"))["reason"] == "closed"
            assert await client.closed() == (1000, "closed")
        await server.all_left()


def replace_sums(server: LiveServer, fingerprint: str | None) -> None:
    """Another version in the place of the one that serves, as a load has it."""
    registry = server.memory.carousel.registry
    old, new = registry.find("sums"), server.memory._served("sums", RunningSumBackend())
    if fingerprint is not None:
        new.sessions.origin = dataclasses.replace(new.sessions.origin, fingerprint=fingerprint)
    registry.replace("sums", [new])
    hand_over(old.sessions, new.sessions)
    server.left_behind = asyncio.create_task(old.close())


@pytest.mark.parametrize("is_running", [False, True])
@on_a_loop
async def test_a_stream_goes_on_in_the_next_version_and_does_not_notice(is_running):
    async with LiveServer() as server, streaming(server) as (client, _):
        await client.ask("step", **STEP)
        if is_running:
            held = await server.memory.hold()
            await client.say("step", **STEP)
            await server.until(lambda: server.memory.metric("stream_messages_total", direction="in") == 3)
        replace_sums(server, fingerprint=None)
        if is_running:
            server.memory.backends["sums"].gate.set()
            await held
            assert (await client.hear())["step"] == 2
        said = await client.ask("step", **STEP)
        assert (said["type"], said["step"]) == ("output", 2 + is_running)
        assert said["outputs"] == [[3.0, 42.0] if is_running else [2.0, 21.0]]
        await server.left_behind


@on_a_loop
async def test_a_stream_of_other_weights_ends_and_is_told_why():
    async with LiveServer() as server, streaming(server) as (client, _):
        replace_sums(server, fingerprint="a" * 64)
        assert await client.hear() == {"type": "closed", "reason": "model_changed"}
        assert await client.closed() == (4410, "model_changed")
        await server.left_behind
