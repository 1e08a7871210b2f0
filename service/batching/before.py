"""What a newcomer has before him, beside those who wait."""

from __future__ import annotations

import math
from typing import NamedTuple


class Before(NamedTuple):
    """In about `running_s` the engine is free for him; he takes `least_s` even if nobody waits.

    Of each who waits he waits for as many steps as `steps_of_others` at most.
    """

    running_s: float = 0.0
    least_s: float = 0.0
    steps_of_others: float = math.inf


NOTHING = Before()
