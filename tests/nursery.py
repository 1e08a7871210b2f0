"""What the process that servers are forked from imports, once for all of them; see forked_process.py."""

from __future__ import annotations

import gc
from importlib import import_module

_NEEDED = (
    "cli.main",
    "cli.banner",
    "service.server",
    "service.api.grpc.server",
    # What these only import once they run.
    "numpy.random",
    "pydantic.v1",
    "uvicorn.loops.uvloop",
    "service.plans.__main__",
    "service.trial",
)

for _name in _NEEDED:
    import_module(_name)
# Each of them has the collector look through all that there is before it listens: not through this.
gc.collect()
gc.freeze()
