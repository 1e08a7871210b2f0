"""The inference server: sequences in, answers out, batched by measured cost."""

from __future__ import annotations

import sys
from types import ModuleType


def _import_structlog_without_rich() -> None:
    """For tracebacks in colour, which no log of ours shows; a start would wait while it is imported."""
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
    if modules.setdefault("rich") is None:
        import structlog  # noqa: F401

        del modules["rich"]


_import_structlog_without_rich()
