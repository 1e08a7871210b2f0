"""A server as a process of its own, from its start to its end."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import IO

from load_tests.address import Address, free_address
from load_tests.probe import READY, Probe

_START_S = 60.0
_STOP_S = 40.0
_POLL_S = 0.005
_DEFAULTS: Mapping[str, object] = {}


class ServerFailed(Exception):
    """The server under test ended or never answered; holds its last words."""


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A running server and how long it took from process start to its first answer."""

    process: Popen[bytes]
    address: Address
    first_answer_s: float
    grpc: Address

    @property
    def pid(self) -> int:
        return self.process.pid

    def status(self) -> int:
        """The exit status, once it has ended."""
        return self.process.wait(_STOP_S)


@contextmanager
def carousel_server(
    models_dir: Path,
    probe: Probe = READY,
    core: int | None = None,
    settings: Mapping[str, object] = _DEFAULTS,
) -> Iterator[ServerProcess]:
    """The real server with all bundles of a folder, on one core where one is named; `settings` by name."""
    address, grpc = free_address(), free_address()
    given = {
        "models_dir": models_dir,
        "host": address.host,
        "port": address.port,
        "grpc_port": grpc.port,
        **settings,
    }
    variables = {f"CAROUSEL_{name.upper()}": str(value) for name, value in given.items()}
    with _server(["-m", "service"], variables, address, grpc, probe, core) as server:
        yield server


@contextmanager
def bare_server(answer_bytes: int, core: int | None = None) -> Iterator[ServerProcess]:
    """A bare ASGI application that answers so many bytes."""
    address = free_address()
    command = [
        "-m",
        "load_tests.bare_server",
        "--port",
        str(address.port),
        "--answer-bytes",
        str(answer_bytes),
    ]
    with _server(command, {}, address, address, Probe("/"), core) as server:
        yield server


@contextmanager
def _server(
    command: list[str],
    variables: dict[str, str],
    address: Address,
    grpc: Address,
    probe: Probe,
    core: int | None,
) -> Iterator[ServerProcess]:
    with tempfile.TemporaryFile() as log:
        started_s = time.perf_counter()
        process = Popen(  # noqa: S603 - our own module
            [sys.executable, *command], env=os.environ | variables, stdout=log, stderr=log
        )
        try:
            if core is not None:
                os.sched_setaffinity(process.pid, {core})
            _wait_for_answer(process, address, probe, log)
            yield ServerProcess(process, address, time.perf_counter() - started_s, grpc)
        finally:
            _stop(process)


def _wait_for_answer(process: Popen[bytes], address: Address, probe: Probe, log: IO[bytes]) -> None:
    gives_up_s = time.perf_counter() + _START_S
    while not probe.is_answered(address):
        if process.poll() is not None or time.perf_counter() > gives_up_s:
            log.seek(0)
            words = log.read()[-2000:].decode(errors="replace")
            raise ServerFailed(f"the server did not answer {probe.path} with 200; it said:\n{words}")
        time.sleep(_POLL_S)


def _stop(process: Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except TimeoutExpired:
        process.kill()
        process.wait()
        raise ServerFailed(f"the server had not ended {_STOP_S:g} s after SIGTERM") from None
