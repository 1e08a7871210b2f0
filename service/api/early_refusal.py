"""Refusing before reading: under overload, what is not run is most of what arrives."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from service.errors import Overloaded
from service.repository.served_model import ServedModel

# Urgent, or a stream's step; or so written that only reading can tell.
_WORTH_READING = (b"priority", b"sequence_id", b"\\u")


@dataclass(frozen=True, slots=True)
class StatedTimeout:
    """How a door's bodies state the caller's time: as a whole number of `unit_s`, of 15 digits at most."""

    pattern: re.Pattern[bytes]
    unit_s: float

    @classmethod
    def of(cls, field: str, unit_s: float) -> StatedTimeout:
        return cls(re.compile(rb'"%b"\s*:\s*([0-9]{1,15})(?![0-9.eE])' % field.encode()), unit_s)

    def seconds(self, body: bytes) -> float:
        """The longest time that anything in the body could mean; infinite where nothing does."""
        stated = self.pattern.findall(body)
        return max(map(int, stated)) * self.unit_s or math.inf if stated else math.inf


def refuse_early(model: ServedModel, body: bytes, timeout: StatedTimeout) -> None:
    """Raises Overloaded where nothing in the body could change that: too much waits."""
    scheduler = model.scheduler
    try:
        scheduler.check_room(timeout.seconds(body) if scheduler.waiting else math.inf)
    except Overloaded:
        if not any(word in body for word in _WORTH_READING):
            raise
