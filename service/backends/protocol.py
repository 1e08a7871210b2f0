"""The contract between the scheduler and a device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from service.domain.batches import Batch, BatchResult
from service.domain.signature import Signature


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model file on disk and the signature it must have."""

    onnx_path: Path
    signature: Signature


@dataclass(frozen=True, slots=True)
class Capability:
    """What a loaded backend can take: where it runs, and its largest batch (None: no limit of its own)."""

    device: str
    max_rows: int | None = None
    max_padded_steps: int | None = None


class Backend(Protocol):
    """A runtime serving one model on one device.

    Blocking and single-threaded: `run` is called from one thread at a time. A backend holds no
    session and decides nothing; state goes in and comes out with the batch.
    """

    @property
    def capability(self) -> Capability: ...

    def load(self, artifact: Artifact) -> None: ...

    def run(self, batch: Batch) -> BatchResult: ...

    def close(self) -> None: ...
