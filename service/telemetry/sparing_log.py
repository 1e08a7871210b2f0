"""Hands log records on, but not the same complaint again and again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import structlog

_logger = structlog.get_logger()

_AGAIN_AFTER_S = 60.0


class SparingLog(logging.Handler):
    """At most one record a minute from each line of code, with the number of those left out since the last.

    For a library that complains whenever it tries: a collector that is away for an hour is worth sixty
    lines, not thousands.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.WARNING)
        self._now = now
        self._next_s: dict[tuple[str, int], float] = {}
        self._left_out: dict[tuple[str, int], int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        place = (record.name, record.lineno)
        now_s = self._now()
        if now_s < self._next_s.get(place, now_s):
            self._left_out[place] = self._left_out.get(place, 0) + 1
            return
        self._next_s[place] = now_s + _AGAIN_AFTER_S
        _logger.log(
            record.levelno, record.getMessage(), logger=record.name, left_out=self._left_out.pop(place, 0)
        )
