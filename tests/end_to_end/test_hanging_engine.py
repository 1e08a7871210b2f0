"""SIGTERM while the GPU hangs: the server ends soon, with status 0, and nobody waits for the GPU."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from forked_process import ForkedProcess
from plain_http import NO_TLS

_PROGRAM = Path(__file__).parents[1] / "hanging_server.py"
# Far more than the server takes, and far less than forever.
_SOON_S = 20.0


@contextmanager
def hanging_server(models_dir: Path, where: str) -> Iterator[ForkedProcess]:
    process = ForkedProcess([sys.executable, _PROGRAM, models_dir, where])
    guard = threading.Timer(60, process.kill)
    guard.start()
    try:
        yield process
    finally:
        guard.cancel()
        process.kill()
        process.communicate()


def said(process: ForkedProcess, start: str) -> str:
    """The next line that begins so."""
    return next(line.strip() for line in process.stdout or () if line.startswith(start))


def test_an_engine_that_hangs_while_it_is_loaded(published):
    with hanging_server(published, "loaded") as server:
        said(server, "hanging")
        server.send_signal(signal.SIGTERM)
        assert server.wait(_SOON_S) == 0


@pytest.mark.parametrize("waits", [True, False])
def test_an_engine_that_hangs_with_a_request(published, waits):
    with hanging_server(published, "run") as server:
        address = said(server, "http")
        while httpx.get(f"{address}/v2/models/gait/ready", verify=NO_TLS).json()["device"] != "gpu":
            pass
        with httpx.Client(timeout=_SOON_S, verify=NO_TLS) as client:
            body = {"sequence": [[1, 2]] * 200}
            answers = []
            caller = threading.Thread(
                target=lambda: answers.append(client.post(f"{address}/predict/gait", json=body))
            )
            caller.start()
            said(server, "hanging")
            if waits:
                caller.join()
            server.send_signal(signal.SIGTERM)
            caller.join()
        assert server.wait(_SOON_S) == 0
    assert answers[0].json()["device"] == "cpu"
