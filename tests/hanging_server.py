"""`python hanging_server.py MODELS WHERE`: a server whose GPU hangs while it is `loaded` or `run`.

Prints its address, then `hanging` as soon as it does.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from pathlib import Path

from service import app
from service.backends import engine_thread
from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.backends.protocol import Backend, Capability
from service.domain.batches import Batch, BatchResult
from service.repository.scanner import Bundle
from service.server import serve
from service.settings import Settings


class HangingBackend(OnnxRuntimeBackend):
    """Proves itself, but hangs with a sequence that is longer than any golden vector."""

    @property
    def capability(self) -> Capability:
        return Capability("gpu", engine="tensorrt")

    def run(self, batch: Batch) -> BatchResult:
        if batch.padded_steps > 100:
            hang()
        return replace(super().run(batch), device="gpu")


class Source:
    name = "tensorrt"

    def __init__(self, where: str) -> None:
        self._where = where

    def tolerance(self, bundle: Bundle) -> float:
        return bundle.manifest.tolerance.reference

    async def prepare(self, bundle: Bundle) -> None:
        """Nothing to prepare."""

    def load(self, bundle: Bundle) -> Backend:
        if self._where == "loaded":
            hang()
        backend = HangingBackend()
        backend.load(bundle.artifact)
        return backend


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def hang() -> None:
    say("hanging")
    threading.Event().wait()


def main(models_dir: str, where: str) -> int:
    app.engine_sources = lambda _settings: [Source(where)]
    engine_thread._LEAVE_S = 0.5
    settings = Settings(models_dir=Path(models_dir), port=0, grpc_port=None, engine_stall_s=0.5)
    return serve(settings, lambda _carousel, address: say(address))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
