"""The contract between the predictor and a scheduler: two policies, one interface."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

from service.batching.ticket import Ticket


class Least(NamedTuple):
    """A request asks for so many rows of so many steps each, or for more."""

    rows: int = 1
    steps: int = 0


ANYTHING = Least()


class Scheduler(Protocol):
    """Takes tickets and sees to it that each is answered, refused or abandoned, exactly once."""

    @property
    def waiting(self) -> int:
        """Tickets not yet running."""
        ...

    def check_room(self, timeout_s: float = math.inf, least: Least = ANYTHING) -> None:
        """Raises Overloaded where an ordinary request with so much time would be refused whatever is in it.

        So that a door need not read what will not be run: under overload that is most of what it does.
        """
        ...

    def submit(self, tickets: list[Ticket]) -> None:
        """Queue all of them or none; raises Overloaded or Unavailable."""
        ...

    async def stop(self) -> None:
        """Take no more, finish what was taken."""
        ...
