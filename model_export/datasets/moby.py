"""Moby Dick as one long stream of characters, cut into three parts in reading order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from model_export.datasets.vendored_files import read_bytes

_FILE = "moby.txt.xz"
_VALIDATION_FROM = 0.85
_TEST_FROM = 0.90


@dataclass(frozen=True, slots=True)
class MobyText:
    """The text's three parts, and every symbol that occurs in it, in code point order."""

    train: str
    validation: str
    test: str
    symbols: tuple[str, ...]


@cache
def load_moby() -> MobyText:
    """The novel without its front matter: the last tenth is the test, the twentieth before it validation."""
    text = read_bytes(_FILE).decode("utf-8")
    first, second = int(_VALIDATION_FROM * len(text)), int(_TEST_FROM * len(text))
    return MobyText(text[:first], text[first:second], text[second:], tuple(sorted(set(text))))
