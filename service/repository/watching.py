"""Looks at the disk again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

_logger = structlog.get_logger()


async def watch(look: Callable[[], Awaitable[object]], period_s: float) -> None:
    """Look every `period_s`, for ever; a look that fails is logged, and the next is taken.

    Polling, because it works on every file system: notifications do not come from network mounts.
    """
    while True:
        await asyncio.sleep(period_s)
        try:
            await look()
        except Exception:
            _logger.exception("models_dir could not be looked at")
