"""`carousel serve` as its users start it: the console script, as a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from forked_process import ForkedProcess

CONSOLE_SCRIPT = Path(sys.executable).with_name("carousel")
_LONGEST_LIFE_S = 60.0


class CarouselProcess:
    """A running server; `address` and `curl` are what its banner says.

    Forked from a process that has imported what it needs, but where it `is_started_cold`.
    """

    def __init__(
        self,
        models_dir: Path,
        port: int = 0,
        longest_life_s: float = _LONGEST_LIFE_S,
        is_started_cold: bool = False,
        **settings: str,
    ) -> None:
        settings = {"grpc_port": "0"} | settings
        environment = {f"CAROUSEL_{name.upper()}": value for name, value in settings.items()}
        start = subprocess.Popen if is_started_cold else ForkedProcess
        self.process = start(
            [sys.executable, CONSOLE_SCRIPT, "serve", "--port", str(port), "--models-dir", models_dir],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | environment,
        )
        # A server that says nothing would otherwise hold up the tests for ever.
        self._guard = threading.Timer(longest_life_s, self.process.kill)
        self.said = ""
        self.address = self.curl = ""

    def __enter__(self) -> Self:
        self._guard.start()
        for line in self.process.stdout or ():
            self.said += line
            if line.startswith("curl "):
                self.curl = line
                self.address = re.findall(r"https?://[^/\s]+", line)[0]
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        self.wait()

    def wait(self) -> int:
        """The exit status, once the process has ended; what it said meanwhile is in `said`."""
        if self.process.returncode is None:
            self.said += self.process.communicate()[0]
        self._guard.cancel()
        return self.process.returncode
