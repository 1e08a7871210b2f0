"""TLS over HTTP: versions, client certificates, renewal, and what is said of files that are wrong."""

from __future__ import annotations

import ssl

import pytest
import trustme
from certificates import AUTHORITY, Certificates, client_context, unit_of
from fakes import ManualClock
from live_server import LiveServer, request
from on_a_loop import on_a_loop
from structlog.testing import capture_logs

from service.api.tls import serving_context, tls_files
from service.errors import InvalidSettings
from service.settings import Settings


@pytest.fixture
def certificates(tmp_path):
    return Certificates(tmp_path)


def listening(clock=None, **settings) -> LiveServer:
    files = tls_files(Settings(**settings))
    return LiveServer(tls=serving_context(files, (clock or ManualClock()).now), **settings)


async def unit_shown(server: LiveServer, client: trustme.LeafCert | None = None) -> str:
    connection = await server.connect(ssl=client_context(client), server_hostname="localhost")
    await connection.send(request())
    assert (await connection.reply()).status == 200
    return unit_of(connection.writer.get_extra_info("peercert"))


@on_a_loop
async def test_requests_are_answered_over_tls_and_not_without(certificates):
    async with listening(**certificates.settings) as server:
        assert await unit_shown(server) == "first"
        assert await (await server.connect()).is_closed_by_server(after=request())


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@on_a_loop
async def test_tls_1_2_and_1_3_are_spoken(certificates, version):
    context = client_context()
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    async with listening(**certificates.settings) as server:
        connection = await server.connect(ssl=context, server_hostname="localhost")
        assert connection.writer.get_extra_info("cipher")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
@on_a_loop
async def test_nothing_older_is_spoken_even_where_the_machine_would(certificates):
    context, files = client_context(), tls_files(Settings(**certificates.settings))
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    serving = serving_context(files)
    assert serving.minimum_version is ssl.TLSVersion.TLSv1_2
    serving.set_ciphers("DEFAULT:@SECLEVEL=0")
    async with LiveServer(tls=serving) as server:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await server.connect(ssl=context, server_hostname="localhost")


@on_a_loop
async def test_with_a_client_authority_only_whom_it_signed_is_answered(certificates):
    async with listening(**certificates.mutual) as server:
        for client in (None, trustme.CA().issue_cert("stranger.example")):
            with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
                await unit_shown(server, client)
        assert await unit_shown(server, AUTHORITY.issue_cert("known.example")) == "first"


@on_a_loop
async def test_a_renewed_certificate_is_shown_to_who_connects_from_then_on(certificates):
    clock = ManualClock()
    async with listening(clock, **certificates.settings) as server:
        old = await server.connect(ssl=client_context(), server_hostname="localhost")
        certificates.renew("second")
        clock.advance(1)
        assert await unit_shown(server) == "second"
        await old.send(request())
        assert (await old.reply()).status == 200


@on_a_loop
async def test_half_a_renewal_changes_nothing_until_the_other_half_is_there(certificates):
    clock = ManualClock()
    async with listening(clock, **certificates.settings) as server:
        before = certificates.key.read_bytes()
        certificates.renew("second")
        after = certificates.key.read_bytes()
        certificates.key.write_bytes(before)
        clock.advance(1)
        with capture_logs() as logs:
            assert await unit_shown(server) == "first"
        assert "certificates not renewed, those from before hold" in [line["event"] for line in logs]
        certificates.key.write_bytes(after)
        clock.advance(1)
        assert await unit_shown(server) == "second"


def test_settings_that_need_each_other_say_so(certificates):
    assert tls_files(Settings()) is None
    with pytest.raises(InvalidSettings, match="CAROUSEL_TLS_KEY: is not set"):
        tls_files(Settings(tls_certificate=certificates.certificate))
    for name in ("tls_key", "tls_client_ca"):
        with pytest.raises(InvalidSettings, match="CAROUSEL_TLS_CERTIFICATE: is not set"):
            tls_files(Settings(**{name: certificates.key}))


@pytest.mark.parametrize(
    ("setting", "content", "words"),
    [
        ("tls_certificate", None, r"CAROUSEL_TLS_CERTIFICATE: .*cannot be read: No such file"),
        ("tls_key", None, r"CAROUSEL_TLS_KEY: .*cannot be read: No such file"),
        ("tls_client_ca", None, r"CAROUSEL_TLS_CLIENT_CA: .*cannot be read: No such file"),
        (
            "tls_certificate",
            b"junk",
            r"CAROUSEL_TLS_CERTIFICATE, CAROUSEL_TLS_KEY: .*expected a PEM certificate",
        ),
        ("tls_key", b"junk", r"CAROUSEL_TLS_CERTIFICATE, CAROUSEL_TLS_KEY: .*expected a PEM certificate"),
        ("tls_client_ca", b"junk", r"CAROUSEL_TLS_CLIENT_CA: .*expected certificates in PEM"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_its_setting(certificates, tmp_path, setting, content, words):
    path = tmp_path / "spoilt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidSettings, match=words):
        serving_context(tls_files(Settings(**certificates.mutual | {setting: path})))
