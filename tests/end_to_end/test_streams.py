"""Streams of a server as it is installed: the numbers of its models, and its end."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
import websockets
from carousel_process import CarouselProcess
from plain_http import NO_TLS
from stream_client import binary_step, parsed_output
from websockets.sync.client import ClientConnection, connect

RANDOM = np.random.default_rng(11)
SEQUENCES = {
    "gait": RANDOM.normal(size=(3, 17, 2)).astype(np.float32),
    "letters": RANDOM.integers(8, size=(3, 17)).astype(np.int32),
}
WIDTHS = {"gait": 3, "letters": 8}


@contextmanager
def stream(server: CarouselProcess, model: str, **terms) -> Iterator[tuple[ClientConnection, dict]]:
    """A stream, and what its opening was answered."""
    url = f"{server.address.replace('http', 'ws', 1)}/v2/models/{model}/stream"
    with connect(url, compression=None) as socket:
        socket.send(json.dumps({"type": "open", **terms}))
        yield socket, json.loads(socket.recv(20))


def predicted(client: httpx.Client, model: str, sequences: np.ndarray) -> list[list]:
    body = {"sequences": sequences.tolist(), "include_outputs": True}
    answer = client.post(f"/predict/{model}", json=body)
    assert answer.status_code == 200, answer.text
    return [each["output"] for each in answer.json()["predictions"]]


@pytest.fixture(scope="module")
def server(published):
    with CarouselProcess(published) as process:
        yield process


@pytest.mark.parametrize("model", SEQUENCES)
def test_both_forms_have_the_numbers_of_predict_to_the_last_bit(server, model):
    sequences = SEQUENCES[model]
    with httpx.Client(base_url=server.address, verify=NO_TLS) as client:
        whole = predicted(client, model, sequences)
    with stream(server, model, rows=3) as (socket, _):
        socket.send(json.dumps({"type": "step", "sequences": sequences.tolist()}))
        assert json.loads(socket.recv(20))["outputs"] == whole
    with stream(server, model, rows=3) as (socket, _):
        socket.send(binary_step(*sequences))
        answer = parsed_output(socket.recv(20), WIDTHS[model])
        for output, due in zip(answer.outputs, whole, strict=True):
            np.testing.assert_array_equal(output, np.float32(due).reshape(output.shape))


@pytest.mark.parametrize("model", SEQUENCES)
def test_chunks_of_different_lengths_end_where_the_whole_does(server, model):
    sequences = SEQUENCES[model]
    with httpx.Client(base_url=server.address, verify=NO_TLS) as client:
        whole = predicted(client, model, sequences)
    cuts = [sorted(RANDOM.choice(range(1, 17), 3, replace=False)) for _ in range(3)]
    parts = [np.split(sequence, cut) for sequence, cut in zip(sequences, cuts, strict=True)]
    with stream(server, model, rows=3) as (socket, _):
        for number, chunk in enumerate(zip(*parts, strict=True), 1):
            socket.send(binary_step(*chunk, step=number))
            answer = parsed_output(socket.recv(20), WIDTHS[model])
    for output, due in zip(answer.outputs, whole, strict=True):
        np.testing.assert_allclose(output[-1], np.float32(due).reshape(-1, WIDTHS[model])[-1], atol=1e-6)


def test_a_stream_goes_on_after_its_server_was_told_to_end_and_started_again(published, tmp_path: Path):
    store = {"session_store": f"dir:{tmp_path / 'sessions'}"}
    sequence = SEQUENCES["gait"][0]
    with (
        CarouselProcess(published, **store) as server,
        stream(server, "gait", session="walk", resumable=True) as (kept, told),
        stream(server, "gait", session="run") as (lost, _),
    ):
        for socket in (kept, lost):
            socket.send(binary_step(sequence[:7], step=1))
            first = parsed_output(socket.recv(20), 3)
        server.process.send_signal(signal.SIGTERM)
        for socket in (kept, lost):
            assert json.loads(socket.recv(20)) == {"type": "closed", "reason": "going_away"}
            with pytest.raises(websockets.ConnectionClosed) as closed:
                socket.recv(20)
            assert closed.value.rcvd.code == 1012
        assert server.wait() == 0
    assert '{"count":1,' in server.said
    with (
        CarouselProcess(published, **store) as server,
        httpx.Client(base_url=server.address, verify=NO_TLS) as client,
    ):
        with stream(server, "gait", session="walk", resume="guess") as (_, refused):
            assert refused["status"] == 403
        with stream(server, "gait", session="run", resume=told["token"]) as (_, ended):
            assert ended["status"] == 404
        with stream(server, "gait", session="walk", resume=told["token"]) as (socket, again):
            assert again["step"] == 1
            socket.send(binary_step(sequence[:7], step=1))
            np.testing.assert_array_equal(parsed_output(socket.recv(20), 3).outputs[0], first.outputs[0])
            socket.send(binary_step(sequence[7:], step=2))
            rest = parsed_output(socket.recv(20), 3).outputs[0]
        whole = predicted(client, "gait", sequence[None])[0]
        np.testing.assert_allclose(rest.reshape(-1), np.float32(whole), atol=1e-6)
