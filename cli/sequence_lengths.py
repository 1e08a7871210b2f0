"""A sample of sequence lengths from a text file."""

from __future__ import annotations

from pathlib import Path

from cli.sequence_file import UnreadableFile


def read_lengths(path: Path) -> list[int]:
    """Whole numbers of 1 or more, separated by any white space; raises UnreadableFile."""
    try:
        words = path.read_text().split()
    except (OSError, UnicodeDecodeError) as failure:
        raise UnreadableFile(f"{path}: {failure}") from failure
    odd = next((word for word in words if not word.isdecimal() or int(word) < 1), None)
    if odd is not None or not words:
        raise UnreadableFile(
            f"{path}: expected lengths as whole numbers of 1 or more, got {odd or 'nothing'}"
        )
    return [int(word) for word in words]
