"""Logging is the process's: what a test does to it is undone."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from service.telemetry.log_switches import log_switches, switch_logs


@contextmanager
def kept_logs() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers, root.level
    switches = log_switches()
    try:
        yield
    finally:
        root.handlers, root.level = before
        switch_logs(switches)
        structlog.reset_defaults()
