"""TLS over gRPC, from the same files as over HTTP."""

from __future__ import annotations

import grpc
import pytest
import trustme
from certificates import AUTHORITY, Certificates
from fakes import ManualClock
from grpc_door import GrpcDoor
from on_a_loop import on_a_loop

from service.api.grpc import server
from service.api.grpc.messages import SERVICE
from service.api.grpc.security import server_credentials

TRUSTED = AUTHORITY.cert_pem.bytes()


@pytest.fixture
def certificates(tmp_path):
    return Certificates(tmp_path)


def channel(door: GrpcDoor, client: trustme.LeafCert | None = None, trusted: bytes = TRUSTED):
    pair = (None, None)
    if client is not None:
        pair = (client.private_key_pem.bytes(), client.cert_chain_pems[0].bytes())
    own = [("grpc.use_local_subchannel_pool", 1)]
    return grpc.aio.secure_channel(door.address, grpc.ssl_channel_credentials(trusted, *pair), options=own)


async def is_answered(channel) -> bool:
    call = channel.unary_unary(f"/{SERVICE}/ServerLive")(b"", timeout=10)
    code = await call.code()
    await channel.close()
    assert code in (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE)
    return code is grpc.StatusCode.OK


@on_a_loop
async def test_calls_are_answered_over_tls_and_not_without(certificates):
    async with GrpcDoor(**certificates.settings) as door:
        assert await is_answered(channel(door))
        assert not await is_answered(grpc.aio.insecure_channel(door.address))
        stranger = trustme.CA().cert_pem.bytes()
        assert not await is_answered(channel(door, trusted=stranger))


@on_a_loop
async def test_with_a_client_authority_only_whom_it_signed_is_answered(certificates):
    async with GrpcDoor(**certificates.mutual) as door:
        assert await is_answered(channel(door, AUTHORITY.issue_cert("known.example")))
        assert not await is_answered(channel(door))
        assert not await is_answered(channel(door, trustme.CA().issue_cert("stranger.example")))


@on_a_loop
async def test_a_renewed_certificate_is_shown_to_who_connects_from_then_on(certificates, monkeypatch):
    clock, other = ManualClock(), trustme.CA()
    monkeypatch.setattr(server, "server_credentials", lambda files: server_credentials(files, clock.now))
    async with GrpcDoor(**certificates.settings) as door:
        issued = other.issue_cert("127.0.0.1")
        certificates.certificate.write_bytes(issued.cert_chain_pems[0].bytes())
        certificates.key.write_bytes(issued.private_key_pem.bytes())
        clock.advance(1)
        assert await is_answered(channel(door, trusted=other.cert_pem.bytes()))
        assert not await is_answered(channel(door))
