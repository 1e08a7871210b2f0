"""Where the server under load is: on this machine, and nowhere else."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit


class NotLoopback(Exception):
    """A load test was pointed at something that is not this machine."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host and port on the loopback interface."""

    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    @property
    def host_header(self) -> str:
        return self.url.removeprefix("http://")


def loopback_address(url: str) -> Address:
    """The address in an http URL; raises NotLoopback where it leads off this machine."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None:
        raise NotLoopback(f"url: got {url}, expected http://127.0.0.1:PORT")
    host = _numeric(parts.hostname)
    if not ipaddress.ip_address(host).is_loopback:
        raise NotLoopback(f"url: {parts.hostname} is not this machine: only loopback is ever loaded")
    return Address(host, parts.port or 80)


def free_address() -> Address:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Address("127.0.0.1", probe.getsockname()[1])


def _numeric(hostname: str) -> str:
    try:
        return str(socket.getaddrinfo(hostname, None, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as failure:
        raise NotLoopback(f"url: {hostname} cannot be resolved: {failure}") from None
