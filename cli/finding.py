"""One thing the doctor looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found; `is_needed` where serving cannot do without."""

    subject: str
    found: str
    is_good: bool
    is_needed: bool
    remedy: str = ""
