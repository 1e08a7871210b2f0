"""Runs an async test on an event loop of its own, of the kind the server runs on."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

# An answer that never comes is a failure, not a test that never ends.
_LONGEST_S = 60.0


def on_a_loop(scenario: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(scenario)
    def run(*args: Any, **kwargs: Any) -> None:
        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        runner.run(asyncio.wait_for(scenario(*args, **kwargs), _LONGEST_S))
        # Only of what went well: after a failure a thread may be left that closing would wait for.
        runner.close()

    return run
