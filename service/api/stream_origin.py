"""What a browser cannot say in headers of its own, and what it says of its page."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from service.admission.credentials import shown_key
from service.api.call import Headers
from service.errors import OriginRefused

SUBPROTOCOL = "carousel"
_KEY = "key."


def check_origin(headers: Headers, allowed: Sequence[str]) -> None:
    """Raises OriginRefused for a page of another origin: browsers let any page open a WebSocket anywhere."""
    origin = headers.get(b"origin")
    if origin is None or "*" in allowed:
        return
    shown = origin.decode("latin-1")
    own = headers.get(b"host", b"").decode("latin-1").lower()
    # The scheme is not compared: TLS may end before this server.
    if shown not in allowed and _authority(shown) != own:
        raise OriginRefused(f"origin: pages of {shown[:256]} may not ask, see CAROUSEL_CORS_ORIGINS")


def shown_stream_key(headers: Headers, subprotocols: Iterable[str]) -> bytes | None:
    """The key of the headers, else of the subprotocol `key.<base64url>`, which is all a page can say."""
    shown = shown_key(headers)
    if shown is not None:
        return shown
    for offered in subprotocols:
        if offered.startswith(_KEY):
            return _decoded(offered.removeprefix(_KEY))
    return None


def _decoded(text: str) -> bytes:
    """What cannot be read is no key of ours."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""


def _authority(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
