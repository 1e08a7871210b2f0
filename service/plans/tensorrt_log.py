"""What TensorRT says: forwarded to the server's log, and kept while a plan is built."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

_LEVELS = {"INTERNAL_ERROR": "error", "ERROR": "error", "WARNING": "warning", "INFO": "debug"}
_KEPT = ("error", "warning")
_MOST_KEPT = 200
_MOST_ERRORS = 8


class TensorRtLog:
    """The process's one log of TensorRT; any of TensorRT's threads may write to it."""

    def __init__(self) -> None:
        self._listening = threading.Lock()
        self._heard: list[tuple[str, str]] | None = None
        self._errors: deque[str] = deque(maxlen=_MOST_ERRORS)

    def write(self, severity: str, message: str) -> None:
        """Severities are TensorRT's own names; VERBOSE is dropped."""
        level = _LEVELS.get(severity)
        if level is None:
            return
        if level == "error":
            self._errors.append(message.strip())
        heard = self._heard
        if heard is not None and level in _KEPT and len(heard) < _MOST_KEPT:
            heard.append((level, message.strip()))
        # An error that ends a build comes back as the refusal's words: here it is not worth a person's night.
        getattr(structlog.get_logger(), "warning" if level == "error" else "debug")(
            "tensorrt", severity=severity.lower(), said=message.strip()
        )

    def last_errors(self) -> str:
        """What went wrong since this was last asked: for a call that only says that it failed."""
        errors: list[str] = []
        # Not by the number there is: other threads write and ask meanwhile.
        with contextlib.suppress(IndexError):
            while len(errors) < _MOST_ERRORS:
                errors.append(self._errors.popleft())
        return "; ".join(errors)

    @contextmanager
    def listening(self) -> Iterator[list[tuple[str, str]]]:
        """What is said meanwhile, as `(level, words)`; one listener at a time, others wait."""
        with self._listening:
            heard: list[tuple[str, str]] = []
            self._heard = heard
            try:
                yield heard
            finally:
                self._heard = None


def create_logger(trt: Any, log: TensorRtLog) -> Any:
    """A logger object as TensorRT wants it, writing to `log`."""

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            # Not super(): a bound C++ class must be initialised by its own name.
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            log.write(severity.name, message)

    return Logger()
