"""Refusing before reading: under overload, what is not run is most of what arrives."""

from __future__ import annotations

from service.errors import Overloaded
from service.repository.served_model import ServedModel

# Urgent, or a stream's step; or so written that only reading can tell.
_WORTH_READING = (b"priority", b"sequence_id", b"\\u")


def refuse_early(model: ServedModel, body: bytes) -> None:
    """Raises Overloaded where the queue is full and nothing in the body could change that."""
    try:
        model.scheduler.check_room()
    except Overloaded:
        if not any(word in body for word in _WORTH_READING):
            raise
