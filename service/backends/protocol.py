"""The contract between the scheduler and a device."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from service.domain.batches import Batch, BatchResult
from service.domain.device_states import StateTable
from service.domain.signature import Signature
from service.errors import InvalidBundle


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model file on disk, the signature it must have, and the SHA-256 it had when it was looked through."""

    onnx_path: Path
    signature: Signature
    sha256: str | None = None

    def content(self) -> bytes:
        """The file's bytes, for a runtime to open: a path could lead it to others than were looked through.

        Raises InvalidBundle where they are not the ones, or cannot be read.
        """
        try:
            content = self.onnx_path.read_bytes()
        except OSError as failure:
            raise InvalidBundle(f"{self.onnx_path}: {failure.strerror}") from failure
        if self.sha256 is not None and hashlib.sha256(content).hexdigest() != self.sha256:
            raise InvalidBundle(f"{self.onnx_path}: has changed since it was looked through")
        return content


@dataclass(frozen=True, slots=True)
class Capability:
    """What a loaded backend is and can take: where it runs (`cpu` or `gpu`), and its largest batch.

    None is no limit of its own. `in_flight` is how many batches it can have at once, `table` where it keeps
    states, if it does. One that `can_break` is given batches with breaks, or cuts.
    """

    device: str
    max_rows: int | None = None
    max_padded_steps: int | None = None
    engine: str = "onnxruntime"
    in_flight: int = 1
    table: StateTable | None = None
    can_break: bool = False

    def takes(self, batch: Batch) -> bool:
        return (self.max_rows is None or batch.rows <= self.max_rows) and (
            self.max_padded_steps is None or batch.padded_steps <= self.max_padded_steps
        )


class Backend(Protocol):
    """A runtime serving one model on one device.

    Blocking and single-threaded: `run` is called from one thread at a time. A backend holds no
    session and decides nothing; state goes in and comes out with the batch, or stays in rows of its `table`
    that the batch names.
    """

    @property
    def capability(self) -> Capability: ...

    def load(self, artifact: Artifact) -> None: ...

    def run(self, batch: Batch) -> BatchResult: ...

    def close(self) -> None: ...


@runtime_checkable
class PipelinedBackend(Backend, Protocol):
    """A backend that takes the next batch while one runs; `run` is `finish(start(batch))`."""

    def start(self, batch: Batch) -> Any:
        """Hand the batch to the device and return at once; what is returned is for `finish`."""
        ...

    def finish(self, pending: Any) -> BatchResult:
        """Wait for a batch's result; in the order of starting."""
        ...
