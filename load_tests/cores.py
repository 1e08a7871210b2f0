"""Server and client on cores of their own, so that neither's cost is taken for the other's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


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
