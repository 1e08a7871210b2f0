"""A server as its operator starts it, with keys and certificates, and one that cannot start like this."""

from __future__ import annotations

import re

import grpc
import httpx
from api_keys import KEYS, key_file
from carousel_process import CarouselProcess
from certificates import AUTHORITY, Certificates, client_context

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
        assert httpx.get(f"http://{address_of(server, 'health')}/v2/health/ready").status_code == 200
        credentials = grpc.ssl_channel_credentials(AUTHORITY.cert_pem.bytes())
        with grpc.secure_channel(address_of(server, "gRPC"), credentials) as channel:
            ask = channel.unary_unary(f"/{SERVICE}/ServerMetadata")
            assert ask(b"", timeout=20, metadata=(("authorization", f"Bearer {KEYS['user']}"),))
            refused = ask.future(b"", timeout=20)
            assert refused.code() is grpc.StatusCode.UNAUTHENTICATED
    assert server.process.returncode == 0


def test_a_server_whose_files_are_wrong_says_so_and_ends(published, tmp_path):
    with CarouselProcess(published, tls_certificate=str(tmp_path / "none")) as server:
        assert server.wait() == 1
    assert "CAROUSEL_TLS_KEY: is not set" in server.said
