"""Server and client on one machine, as if the client were elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

CAN_YIELD = hasattr(os, "SCHED_BATCH")
"""Whether a client here can let the server go first."""


@contextmanager
def beside(core: int | None) -> Iterator[None]:
    """Keep this process on all of its cores but `core`; on all where there is no other."""
    before = os.sched_getaffinity(0)
    others = before - {core}
    os.sched_setaffinity(0, others or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def yielding() -> Iterator[None]:
    """Have this thread never take a core from the server by waking up, as a client elsewhere never does.

    Woken by every answer, an ordinary client interrupts the server's threads hundreds of times a second,
    which a closed loop with few answers hardly shows and an open one under overload does. Processes that are
    started inside are alike.
    """
    if not CAN_YIELD:
        yield
        return
    before, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    try:
        yield
    finally:
        os.sched_setscheduler(0, before, parameters)
