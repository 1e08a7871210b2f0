"""gRPC's log without those who have left: it complains where an answer finds nobody to take it."""

from __future__ import annotations

import logging

import grpc

_LIBRARY = logging.getLogger("grpc._cython.cygrpc")


def leave_out_departed_callers() -> None:
    """From now on and for the whole process; may be called again."""
    _LIBRARY.addFilter(_is_about_a_caller_who_listens)


def _is_about_a_caller_who_listens(record: logging.LogRecord) -> bool:
    # The library asks first whether the caller is gone, and some are so a moment later.
    return record.exc_info is None or not isinstance(record.exc_info[1], grpc.aio.InternalError)
