"""Certificates of an authority that lives as long as a test."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme

AUTHORITY = trustme.CA()


class Certificates:
    """Files for a server's settings, and contexts for its clients."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "server.pem", folder / "server.key"
        self.authority = folder / "authority.pem"
        AUTHORITY.cert_pem.write_to_path(self.authority)
        self.renew("first")

    @property
    def settings(self) -> dict[str, Path]:
        return {"tls_certificate": self.certificate, "tls_key": self.key}

    @property
    def mutual(self) -> dict[str, Path]:
        return self.settings | {"tls_client_ca": self.authority}

    def renew(self, name: str) -> None:
        """A new certificate of the server, for an organisational unit of this name."""
        issued = AUTHORITY.issue_cert("localhost", "127.0.0.1", organization_unit_name=name)
        self.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        self.key.write_bytes(issued.private_key_pem.bytes())


def client_context(client: trustme.LeafCert | None = None) -> ssl.SSLContext:
    """Trusts the authority; shows `client` where the server asks for a certificate."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    if client is not None:
        client.configure_cert(context)
    return context


def unit_of(certificate: dict) -> str:
    """The organisational unit in what `getpeercert` gives."""
    subject = dict(pair for group in certificate["subject"] for pair in group)
    return subject["organizationalUnitName"]
