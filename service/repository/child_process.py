"""Work that may crash, in a process of its own: a segmentation fault there ends nothing here."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence
from typing import Any

import orjson

from service.errors import EngineFailed

_LEAVE_S = 5.0


async def report_of(module: str, arguments: Sequence[str], limit_s: float = 600.0) -> dict[str, Any]:
    """The JSON object that `python -m module …` prints as its last line.

    Raises EngineFailed where it crashes, prints none or does not end in time; it is killed then, and where
    the caller is cancelled.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(limit_s):
            printed, complaints = await process.communicate()
    except TimeoutError:
        await _end(process)
        raise EngineFailed(f"{module} has not ended within {limit_s:g} s") from None
    except asyncio.CancelledError:
        await _end(process)
        raise
    return _report(module, process.returncode or 0, printed, complaints)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    # What hangs inside a driver does not die of it: it is left to the system.
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), _LEAVE_S)


def _report(module: str, code: int, printed: bytes, complaints: bytes) -> dict[str, Any]:
    last_words = complaints.decode(errors="replace").strip().rpartition("\n")[2]
    if code < 0:
        raise EngineFailed(f"{module} crashed with {signal.Signals(-code).name}: {last_words}")
    try:
        report = orjson.loads(printed.strip().rpartition(b"\n")[2])
    except orjson.JSONDecodeError:
        report = None
    if not isinstance(report, dict):
        raise EngineFailed(f"{module} ended with {code} and no report: {last_words}")
    return report
