"""Programs of ours as processes of their own, forked from one that has imported what takes them a second."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.reduction import DupFd
from typing import IO, Any

_NURSERY = multiprocessing.get_context("forkserver")
# By this name, since it starts where the tests do and knows of their folders nothing but that.
_NURSERY.set_forkserver_preload(["tests.nursery"])


class ForkedProcess:
    """What Popen makes of `[python, "-m", module, *arguments]`, or of a script in place of `-m module`.

    Standard output goes to `stdout`, an open file, or to a pipe that is `stdout` then; standard error goes
    to `stderr`, an open file, or along with it.
    """

    def __init__(
        self,
        command: Sequence[object],
        env: Mapping[str, str] = os.environ,
        stdout: IO[Any] | int = subprocess.PIPE,
        stderr: IO[Any] | int = subprocess.STDOUT,
        text: bool = True,
    ) -> None:
        self.args = [str(part) for part in command]
        self.stdout: IO[str] | None = None
        # Of Popen's too, it is known once somebody has asked.
        self.returncode: int | None = None
        if stdout == subprocess.PIPE:
            reading, writing = os.pipe()
            self.stdout = os.fdopen(reading, "r" if text else "rb")
            self._start(env, writing, stderr)
            os.close(writing)
        else:
            assert not isinstance(stdout, int)
            self._start(env, stdout.fileno(), stderr)

    def _start(self, env: Mapping[str, str], output: int, stderr: IO[Any] | int) -> None:
        complaints = output if isinstance(stderr, int) else stderr.fileno()
        program = _Program(self.args[1:], dict(env), output, complaints)
        self._process = _NURSERY.Process(target=program, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    def poll(self) -> int | None:
        self.returncode = self._process.exitcode
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return status

    def communicate(self) -> tuple[str, None]:
        """What it says until it ends."""
        assert self.stdout is not None
        with self.stdout:
            said = self.stdout.read()
        self.wait()
        return said, None


class _Program:
    """Run in the new process: becomes the program."""

    def __init__(
        self, arguments: list[str], environment: dict[str, str], output: int, complaints: int
    ) -> None:
        self._arguments, self._environment = arguments, environment
        self._output, self._complaints = output, complaints

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_output": DupFd(self._output), "_complaints": DupFd(self._complaints)}

    def __call__(self) -> None:
        os.dup2(self._output.detach(), sys.__stdout__.fileno())  # type: ignore[attr-defined]
        os.dup2(self._complaints.detach(), sys.__stderr__.fileno())  # type: ignore[attr-defined]
        os.environ.clear()
        os.environ.update(self._environment)
        if self._arguments[0] == "-m":
            sys.argv = self._arguments[1:]
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        else:
            sys.argv = self._arguments
            runpy.run_path(sys.argv[0], run_name="__main__")
