"""TLS for gRPC, with certificates that may be renewed while the server runs."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from typing import Any

import grpc

from service.api.tls import RenewedContext, TlsFiles


def server_credentials(files: TlsFiles, now: Callable[[], float] = time.monotonic) -> Any:
    """Credentials that are asked for anew at each handshake."""
    renewed = RenewedContext(files, now)
    last: ssl.SSLContext = renewed.current()

    def renewal() -> Any:
        """What gRPC is to use from now on, None for what it has."""
        nonlocal last
        before, last = last, renewed.current()
        return None if last is before else _configuration(files)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(files), renewal, require_client_authentication=files.client_ca is not None
    )


def _configuration(files: TlsFiles) -> Any:
    authority = files.client_ca.read_bytes() if files.client_ca else None
    pair = (files.key.read_bytes(), files.certificate.read_bytes())
    return grpc.ssl_server_certificate_configuration([pair], authority)
