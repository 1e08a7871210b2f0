"""One bundle on the GPU at hand, with more and more streams."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from load_tests.states.ticks import TickFigures, compare
from service.errors import EngineFailed
from service.repository.engine_sources import TensorRtSource, engine_sources
from service.repository.scanner import read_bundle
from service.settings import Settings


def compare_on_this_gpu(folder: Path, rows: list[int], steps: int, ticks: int) -> Iterator[TickFigures]:
    """For each number of streams; builds plans that are missing. Raises EngineFailed without a GPU."""
    found = [source for source in engine_sources(Settings()) if isinstance(source, TensorRtSource)]
    if not found:
        raise EngineFailed("TensorRT does not run here: see `carousel doctor`")
    bundle = read_bundle(folder)
    asyncio.run(found[0].prepare(bundle))
    backend = found[0].load(bundle)
    try:
        for count in rows:
            yield compare(backend, bundle.manifest.signature, count, steps, ticks)
    finally:
        backend.close()
