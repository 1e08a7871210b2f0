"""TLS for every port, from files that may be renewed while the server runs."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from service.admission.file_watch import FileWatch
from service.errors import InvalidSettings
from service.settings import Settings

_logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files; with a client CA, a client must show a certificate that it has signed."""

    certificate: Path
    key: Path
    client_ca: Path | None

    @property
    def paths(self) -> list[Path]:
        return [path for path in (self.certificate, self.key, self.client_ca) if path is not None]

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 and later; raises InvalidSettings naming the setting and the file."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._check_readable()
        try:
            # A password would be asked for at the terminal, and there is none.
            context.load_cert_chain(self.certificate, self.key, password="")
        except (OSError, ValueError) as failure:
            reason = getattr(failure, "reason", None) or failure
            raise InvalidSettings(
                f"CAROUSEL_TLS_CERTIFICATE, CAROUSEL_TLS_KEY: {self.certificate} and {self.key}: expected a "
                f"PEM certificate and its key without a password: {reason}"
            ) from None
        if self.client_ca is not None:
            self._require_client(context, self.client_ca)
        return context

    def _require_client(self, context: ssl.SSLContext, authority: Path) -> None:
        try:
            context.load_verify_locations(authority)
        except OSError:
            raise InvalidSettings(
                f"CAROUSEL_TLS_CLIENT_CA: {authority}: expected certificates in PEM"
            ) from None
        context.verify_mode = ssl.CERT_REQUIRED

    def _check_readable(self) -> None:
        named = {"CERTIFICATE": self.certificate, "KEY": self.key, "CLIENT_CA": self.client_ca}
        for name, path in named.items():
            try:
                _ = path and path.read_bytes()
            except OSError as failure:
                raise InvalidSettings(
                    f"CAROUSEL_TLS_{name}: {path}: cannot be read: {failure.strerror}"
                ) from None


def tls_files(settings: Settings) -> TlsFiles | None:
    """What the settings name, None where TLS is off; raises InvalidSettings where something is missing."""
    certificate, key, authority = settings.tls_certificate, settings.tls_key, settings.tls_client_ca
    if certificate is None and key is None and authority is None:
        return None
    if certificate is None:
        raise InvalidSettings(
            "CAROUSEL_TLS_CERTIFICATE: is not set, the other CAROUSEL_TLS_ settings need it"
        )
    if key is None:
        raise InvalidSettings("CAROUSEL_TLS_KEY: is not set, CAROUSEL_TLS_CERTIFICATE needs it")
    return TlsFiles(certificate, key, authority)


class RenewedContext:
    """A context that goes with its files: `current` is read again, at most once a second, when they change.

    Files that do not fit each other change nothing: of a pair, one is always replaced first.
    """

    def __init__(self, files: TlsFiles, now: Callable[[], float] = time.monotonic) -> None:
        self._files = files
        self._watch = FileWatch(files.paths, now)
        self._current = files.context()
        self._told = ""

    def current(self) -> ssl.SSLContext:
        if self._watch.has_changed():
            self._read_again()
        return self._current

    def _read_again(self) -> None:
        try:
            self._current = self._files.context()
        except InvalidSettings as failure:
            # The fault may be the machine's, which mends without a file changing.
            self._watch.look_again()
            if failure.message != self._told:
                _logger.error("certificates not renewed, those from before hold", error=failure.message)  # noqa: TRY400 - a sentence says it
            self._told = failure.message
        else:
            self._told = ""
            _logger.info("certificates renewed")


def serving_context(files: TlsFiles, now: Callable[[], float] = time.monotonic) -> ssl.SSLContext:
    """A context for a listener, which gives each handshake the certificate that holds then."""
    renewed = RenewedContext(files, now)
    context = files.context()

    def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        connection.context = renewed.current()

    # Called once the client has said hello, whether or not it named a server.
    context.sni_callback = choose
    return context
