"""One JSON object a line, with the request's id where there is one."""

from __future__ import annotations

import logging
import os
import select
import sys
from typing import Any, TextIO, cast

import orjson
import structlog

from service.telemetry.log_switches import LogSwitches, SwitchedLogger, switch_logs

# A reader who has begun with a long line has so much time to take the rest, once: then the pipe is full.
_REST_MS = 50


def configure_logs(level: str, as_json: bool) -> None:
    """Set up structlog for the process; uvicorn's own lines go the same way."""
    switch_logs(LogSwitches.from_level(level))
    renderer: Any = (
        structlog.processors.JSONRenderer(serializer=_dumps)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    output = _Output()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            output.tell_lost,
            renderer,
        ],
        wrapper_class=SwitchedLogger,
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", output)),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [_ToStructlog()]
    root.setLevel(logging.WARNING)


class _Output:
    """Standard output, as far as it takes anything: neither a full disk nor a full pipe costs a request.

    A pipe that nobody empties would hold the whole process up, and every request with it. Lines that are
    not taken are lost; how many, the next one says. structlog lets one thread write at a time.
    """

    def __init__(self) -> None:
        self._lost = 0
        # The last line there has no end.
        self._is_torn = False

    def tell_lost(self, _logger: object, _method: str, event: structlog.typing.EventDict) -> Any:
        """Adds to an event how many lines before it were lost."""
        if self._lost:
            event["lost_lines"] = self._lost
        return event

    def write(self, text: str) -> None:
        try:
            is_taken = self._is_taken(text)
        except (OSError, ValueError, AttributeError):
            # Nothing is there, it is closed, or it takes no more.
            is_taken = False
        self._lost = 0 if is_taken else self._lost + 1

    def flush(self) -> None:
        """Nothing is held back."""

    def _is_taken(self, text: str) -> bool:
        descriptor = _descriptor()
        if descriptor is None:
            sys.stdout.write(text)
            sys.stdout.flush()
            return True
        line = text.encode(errors="backslashreplace")
        if self._is_torn:
            line = b"\n" + line
        # As much as a pipe takes at once if it takes anything.
        for start in range(0, len(line), select.PIPE_BUF):
            part = line[start : start + select.PIPE_BUF]
            if not _takes_more(descriptor, _REST_MS if start else 0):
                return False
            written = os.write(descriptor, part)
            self._is_torn = True
            if written < len(part):
                return False
        self._is_torn = False
        return True


def _descriptor() -> int | None:
    """None where standard output is no file."""
    try:
        return sys.stdout.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def _takes_more(descriptor: int, within_ms: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(within_ms))


class _ToStructlog(logging.Handler):
    """Hands the standard library's records on, so that every line has one form."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger()
        logger.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)


def _dumps(event: dict[str, Any], **_: Any) -> str:
    return orjson.dumps(event, default=str).decode()
