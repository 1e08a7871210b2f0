"""The question that tells when a server answers."""

from __future__ import annotations

import http.client
from dataclasses import dataclass

from load_tests.address import Address

_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Probe:
    """The request whose first 200 says that a server answers: a POST where there is a body."""

    path: str
    body: bytes | None = None

    def is_answered(self, address: Address) -> bool:
        connection = http.client.HTTPConnection(address.host, address.port, timeout=_TIMEOUT_S)
        try:
            connection.request("GET" if self.body is None else "POST", self.path, self.body)
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


READY = Probe("/v2/health/ready")
