"""`python -m service`: serve with the settings of the environment."""

from __future__ import annotations

from service.server import serve
from service.settings import Settings

if __name__ == "__main__":
    raise SystemExit(serve(Settings()))
