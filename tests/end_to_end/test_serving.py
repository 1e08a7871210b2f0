"""The real server, started and asked as its users start and ask it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from carousel_process import CONSOLE_SCRIPT, CarouselProcess
from forked_process import ForkedProcess
from plain_http import NO_TLS

from load_tests.address import free_address
from load_tests.probe import READY
from service.repository.golden import read_golden


@pytest.fixture(scope="module")
def server(published):
    with CarouselProcess(published, is_started_cold=True) as process:
        assert process.address, process.said
        yield process


@pytest.fixture(scope="module")
def client(server):
    with httpx.Client(base_url=server.address, timeout=20, verify=NO_TLS) as opened:
        yield opened


def test_it_says_what_it_serves_and_where(server):
    assert "Carousel serves gait, letters" in server.said
    for path in ("/", "/docs", "/metrics"):
        assert f"{server.address}{path}\n" in server.said


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_line_works_as_it_is_printed_and_has_the_answer_it_promises(server):
    answer = subprocess.run(server.curl, shell=True, check=True, capture_output=True, text=True, timeout=20)  # noqa: S602
    label = json.loads(answer.stdout)["predictions"][0]["label"]
    assert f"Try it; the answer is {label}:" in server.said


@pytest.mark.parametrize("name", ["gait", "letters"])
def test_it_answers_the_golden_sequences_all_at_once(client, published, name):
    golden = read_golden(published / name / "1")
    sequences = [sequence.tolist() for sequence in golden.sequences]
    body = {"sequences": sequences * 20, "include_outputs": True}
    answers = client.post(f"/predict/{name}", json=body).json()["predictions"]
    for answer, due in zip(answers, golden.outputs * 20, strict=True):
        np.testing.assert_allclose(answer["output"], due, atol=1e-5)


@pytest.mark.parametrize("path", ["/predict/{model}", "/v2/models/{model}/infer"])
def test_the_documentation_s_own_examples_are_answered(client, path):
    operation = client.get("/openapi.json").json()["paths"][path]["post"]
    examples = operation["requestBody"]["content"]["application/json"]["examples"]
    assert set(examples) == {"gait", "letters"}
    for name, example in examples.items():
        answer = client.post(path.format(model=name), json=example["value"])
        assert answer.status_code == 200, answer.text
        assert set(answer.json()) <= set(
            operation["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
        )


def test_what_it_computed_shows_in_its_metrics(client):
    def computed() -> float:
        lines = client.get("/metrics").text.splitlines()
        prefix = 'carousel_sequences_total{device="cpu",model="gait",version="1"} '
        return sum(float(line.removeprefix(prefix)) for line in lines if line.startswith(prefix))

    before = computed()
    client.post("/predict/gait", json={"sequences": [[[1, 2]], [[1, 2], [3, 4]]]})
    # The page is made anew for a share of the time only.
    due_s = time.monotonic() + 5
    while computed() != before + 2:
        assert time.monotonic() < due_s


def test_callers_at_the_same_time_each_get_their_own_answer(client, published):
    golden = read_golden(published / "letters" / "1")
    asked = [
        (sequence.tolist(), due) for sequence, due in zip(golden.sequences, golden.outputs, strict=True)
    ] * 30

    def ask(sequence):
        body = {"sequence": sequence, "include_outputs": True}
        return client.post("/predict/letters", json=body).json()["predictions"][0]["output"]

    with ThreadPoolExecutor(16) as callers:
        answers = list(callers.map(ask, [sequence for sequence, _ in asked]))
    for answer, (_, due) in zip(answers, asked, strict=True):
        np.testing.assert_allclose(answer, due, atol=1e-5)


def test_a_server_without_models_ends_with_status_one_and_says_why(tmp_path):
    with CarouselProcess(tmp_path, is_started_cold=True) as process:
        assert process.wait() == 1
    assert "holds no bundle that can be served" in process.said


def test_a_server_whose_port_is_taken_ends_with_status_one_and_says_so(published):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with CarouselProcess(published, port=port) as process:
            assert process.wait() == 1
    assert f"('127.0.0.1', {port}): address already in use" in process.said


@contextmanager
def server_that_tells_all(published, output):
    """A server that logs every refusal to `output`; its address."""
    address = free_address()
    given = {
        "models_dir": str(published),
        "port": str(address.port),
        "grpc_port": "none",
        "log_level": "debug",
    }
    environment = os.environ | {f"CAROUSEL_{name.upper()}": value for name, value in given.items()}
    server = ForkedProcess([sys.executable, CONSOLE_SCRIPT, "serve"], environment, output)
    try:
        while not READY.is_answered(address):
            assert server.poll() is None
        yield address
    finally:
        server.kill()
        server.wait()


def test_a_server_whose_output_goes_to_a_full_disk_serves_and_refuses_all_the_same(published):
    with Path("/dev/full").open("w") as full, server_that_tells_all(published, full) as address:
        assert httpx.post(f"{address.url}/predict/gait", json={"sequence": [[1, 2]]}).status_code == 200
        assert httpx.post(f"{address.url}/predict/nobody", json={"sequence": [[1, 2]]}).status_code == 404


def test_a_server_whose_output_nobody_reads_serves_and_refuses_all_the_same(published):
    reading, writing = os.pipe()
    with (
        os.fdopen(reading, "rb"),
        os.fdopen(writing, "wb") as pipe,
        server_that_tells_all(published, pipe) as address,
        httpx.Client(base_url=address.url, verify=NO_TLS) as client,
    ):
        # A pipe holds 64 KiB, and a refusal says more than this each time.
        identity = {"x-request-id": "r" * 120}
        for _ in range(512):
            refusal = client.post("/predict/nobody", json={"sequence": [[1, 2]]}, headers=identity)
            assert refusal.status_code == 404
        assert client.post("/predict/gait", json={"sequence": [[1, 2]]}).status_code == 200
        os.set_blocking(reading, False)
        said = os.read(reading, 1 << 20)
        assert len(said) > 32_768
        assert client.post("/predict/nobody", json={"sequence": [[1, 2]]}).status_code == 404
        assert b"lost_lines" in os.read(reading, 1 << 20)
