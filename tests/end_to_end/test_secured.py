"""A server as its operator starts it, with keys and certificates, and one that cannot start like this."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import grpc
import httpx
import pytest
from api_keys import KEYS, key_file
from carousel_process import CarouselProcess
from certificates import AUTHORITY, Certificates, client_context
from plain_http import NO_TLS
from typer.testing import CliRunner

from cli.main import app
from service.api.grpc.messages import SERVICE


def address_of(server: CarouselProcess, door: str) -> str:
    (line,) = (line for line in server.said.splitlines() if f"listening for {door}" in line)
    return re.search(r"127\.0\.0\.1:\d+", line)[0]


def test_keys_and_tls_hold_on_every_port(published, tmp_path):
    settings = Certificates(tmp_path).settings | {"api_keys_file": key_file(tmp_path), "health_port": 0}
    with (
        httpx.Client(verify=client_context()) as secure,
        CarouselProcess(published, **{name: str(value) for name, value in settings.items()}) as server,
    ):
        secure.base_url = server.address
        assert server.address.startswith("https://")
        assert secure.get("/v2/health/ready").status_code == 200
        assert secure.get("/v2").status_code == 401
        assert secure.get("/v2", headers={"x-api-key": KEYS["user"]}).status_code == 200
        health = httpx.get(f"http://{address_of(server, 'health')}/v2/health/ready", verify=NO_TLS)
        assert health.status_code == 200
        credentials = grpc.ssl_channel_credentials(AUTHORITY.cert_pem.bytes())
        with grpc.secure_channel(address_of(server, "gRPC"), credentials) as channel:
            ask = channel.unary_unary(f"/{SERVICE}/ServerMetadata")
            assert ask(b"", timeout=20, metadata=(("authorization", f"Bearer {KEYS['user']}"),))
            refused = ask.future(b"", timeout=20)
            assert refused.code() is grpc.StatusCode.UNAUTHENTICATED
    assert server.process.returncode == 0


@pytest.fixture
def with_keys(published, tmp_path):
    with CarouselProcess(published, api_keys_file=str(key_file(tmp_path))) as server:
        yield server


def test_who_has_a_key_can_use_what_the_server_prints_and_the_command(with_keys, tmp_path):
    if shutil.which("curl"):
        label = json.loads(pasted(with_keys.curl, CAROUSEL_KEY=KEYS["user"]))["predictions"][0]["label"]
        assert f"Try it, with an API key in CAROUSEL_KEY; the answer is {label}:" in with_keys.said
    ask = ["predict", "letters", str(text_file(tmp_path)), "--url", with_keys.address]
    answered = CliRunner().invoke(app, ask, env={"CAROUSEL_KEY": KEYS["user"]})
    assert answered.exit_code == 0, answered.output
    assert "letters/1 on cpu" in answered.output
    for shown, words in [
        ([], "401: api key: is missing"),
        (["--key", "another"], "401: api key: is not known here"),
        (["--key", "schlüssel"], "key: expected printable ASCII"),
    ]:
        refused = CliRunner().invoke(app, [*ask, *shown])
        assert refused.exit_code == 1
        assert words in refused.output


def pasted(line: str, **environment: str) -> bytes:
    given = os.environ | environment
    return subprocess.run(line, shell=True, check=True, env=given, capture_output=True, timeout=20).stdout  # noqa: S602


def text_file(folder: Path) -> Path:
    path = folder / "word.txt"
    path.write_text("abc")
    return path


def test_a_server_whose_files_are_wrong_says_so_and_ends(published, tmp_path):
    with CarouselProcess(published, tls_certificate=str(tmp_path / "none")) as server:
        assert server.wait() == 1
    assert "CAROUSEL_TLS_KEY: is not set" in server.said
