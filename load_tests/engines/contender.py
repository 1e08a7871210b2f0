"""Who takes part: an engine in one precision and one setting, or the reason why it does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from service.backends.protocol import Backend
from service.plans.plan import Precision
from service.repository.scanner import Bundle


@dataclass(frozen=True, slots=True)
class Grid:
    """The batches of a comparison: every number of rows with every length in steps, both rising."""

    rows: tuple[int, ...]
    lengths: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Contender:
    """One engine in one setting. The settings of an engine in a precision compete: the best one counts.

    `load` gives a loaded backend, or raises CarouselError with the reason why this bundle cannot have it.
    `times_device`: `compute_s` is the device's own time, without the copies between host and device.
    """

    engine: str
    precision: Precision
    setting: str
    device: Literal["cpu", "gpu"]
    load: Callable[[Bundle, Grid], Backend]
    times_device: bool = False

    def __str__(self) -> str:
        return f"{self.engine} {self.precision}, {self.setting}"


@dataclass(frozen=True, slots=True)
class Absent:
    """An engine that this machine does not have."""

    engine: str
    reason: str


@dataclass(frozen=True, slots=True)
class Field:
    """Everybody who takes part, and who does not."""

    contenders: Sequence[Contender]
    absent: Sequence[Absent] = ()
