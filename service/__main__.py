"""`python -m service`: serve with the settings of the environment."""

from __future__ import annotations

import sys

from service.errors import InvalidSettings
from service.server import serve
from service.settings import read_settings

if __name__ == "__main__":
    try:
        settings = read_settings()
    except InvalidSettings as failure:
        sys.exit(f"error: {failure.message}")
    sys.exit(serve(settings))
