"""`python -m service.trial FOLDER ENGINE`: load an engine, run the golden vectors, and end.

A server does this before it loads an engine itself: what crashes here ends nothing but this process.
Settings come from the environment, as the server's do. Prints one line of JSON; exits with 0 or 1.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from service.backends.engine_thread import EngineThread
from service.errors import CarouselError, NotFound
from service.repository.acceleration import EngineSource
from service.repository.engine_sources import engine_sources
from service.repository.golden import read_golden
from service.repository.proving import blank_batch, prove, run
from service.repository.scanner import Bundle, read_bundle
from service.settings import Settings
from service.telemetry.logs import configure_logs


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 where the engine answered every golden vector rightly."""
    folder, engine = sys.argv[1:] if arguments is None else arguments
    # The runtimes' libraries may print, so standard output is kept for the report alone.
    report_to = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    configure_logs("warning", as_json=True)
    report = asyncio.run(_report(Path(folder), engine))
    with report_to:
        report_to.write(orjson.dumps(report).decode() + "\n")
    return 0 if report["ok"] else 1


async def _report(folder: Path, engine: str) -> dict[str, Any]:
    try:
        bundle = await asyncio.to_thread(read_bundle, folder, Settings().max_model_bytes)
        await _try(bundle, _source(engine))
    except CarouselError as failure:
        return {"ok": False, "error": failure.message}
    return {"ok": True}


def _source(engine: str) -> EngineSource:
    sources = {source.name: source for source in engine_sources(Settings())}
    if engine not in sources:
        raise NotFound(f"engine: there is no {engine} here, there are: {', '.join(sources) or 'none'}")
    return sources[engine]


async def _try(bundle: Bundle, source: EngineSource) -> None:
    thread = EngineThread(source.load(bundle), "trial", asyncio.get_running_loop())
    thread.start()
    try:
        await run(thread, blank_batch(bundle.manifest.signature, 2, 4))
        await prove(thread, bundle.manifest, read_golden(bundle.folder), source.tolerance(bundle))
    finally:
        await thread.stop()


if __name__ == "__main__":
    sys.exit(main())
