"""What the commands print is read as it was meant, whatever terminal the tests run in."""

from __future__ import annotations

import pytest

from cli.console import err, out


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    # Not COLUMNS: where that is set already, the console has read it when it was made.
    for console in (out, err):
        monkeypatch.setattr(console, "_width", 400)
