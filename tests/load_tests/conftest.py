"""Servers under load are forked from a process that has imported what they need."""

from __future__ import annotations

from subprocess import Popen
from typing import Any

import pytest
from forked_process import ForkedProcess


@pytest.fixture(autouse=True)
def servers_start_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(command: list[str], **options: Any) -> Popen[bytes] | ForkedProcess:
        return (ForkedProcess if command[-1] == "service" else Popen)(command, **options)

    monkeypatch.setattr("load_tests.server_process.Popen", start)
