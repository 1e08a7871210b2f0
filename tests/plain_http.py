"""For clients over plain HTTP: loading the certificates that they would trust takes 25 ms each time."""

from __future__ import annotations

import ssl

# Trusts nobody.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
