"""What a version may be called."""

from __future__ import annotations

import re

VERSION = r"^[1-9][0-9]{0,17}$"


def is_version(name: str) -> bool:
    """Whether a folder name can be a version: a positive decimal without leading zeros."""
    return re.fullmatch(VERSION, name) is not None
