"""Refusing before reading: under overload, what is not run is most of what arrives."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from service.batching.scheduler import ANYTHING, Least
from service.domain.signature import Signature
from service.errors import Overloaded
from service.repository.served_model import ServedModel

# Urgent, or a stream's step; or so written that only reading can tell.
_WORTH_READING = (b"priority", b"sequence_id", b"\\u")
_ROWS_AND_STEPS = re.compile(rb'"shape"\s*:\s*\[\s*([0-9]{1,9})\s*,\s*([0-9]{1,9})(?![0-9.eE])')
_LENGTHS = b"lengths"
_SEVERAL = b"sequences"


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


def least_of_tensors(body: bytes, _: Signature) -> Least:
    """What a v2 body asks for at least, by the shape of its one tensor of more than one dimension.

    Its rows may be shorter than that where it also says how long they are.
    """
    shapes = _ROWS_AND_STEPS.findall(body)
    if len(shapes) != 1 or _LENGTHS in body:
        return ANYTHING
    rows, steps = map(int, shapes[0])
    # Whatever it says, every step takes a byte.
    return Least(rows, steps) if rows * steps <= len(body) else ANYTHING


def least_of_lists(body: bytes, signature: Signature) -> Least:
    """What a body with one `sequence` asks for at least: a list for each step, and one around them."""
    if len(signature.step_shape) != 1 or _SEVERAL in body:
        return ANYTHING
    return Least(1, max(0, body.count(b"[") - 1))


def refuse_early(
    model: ServedModel, body: bytes, timeout: StatedTimeout, least: Callable[[bytes, Signature], Least]
) -> None:
    """Raises Overloaded where nothing in the body could change that: too much waits."""
    scheduler = model.scheduler
    if not scheduler.waiting:
        return
    try:
        scheduler.check_room(timeout.seconds(body), least(body, model.signature))
    except Overloaded:
        if not any(word in body for word in _WORTH_READING):
            raise
