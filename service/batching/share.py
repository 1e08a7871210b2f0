"""How live streams and finite requests of one priority share an engine that has not enough for both."""

from __future__ import annotations

from service.batching.ride import Place, Ride


class Share:
    """Lets those go first who are behind, so that the engine's seconds become as the weights of both.

    A finite request has the weight 1. A row costs its part of its tick's predicted time.
    """

    def __init__(self, stream_weight: float = 4.0) -> None:
        self._weight = stream_weight
        # By how much streams are ahead of what is due to them, in seconds of finite requests.
        self._ahead_s = 0.0
        self._is_shared = False

    def ordered(self, line: list[Ride]) -> list[Ride]:
        """The line with those first, of the most urgent priority, whose turn it is."""
        self._is_shared = _are_of_both_kinds(line)
        if not self._is_shared:
            # Whoever left the engine to the others because he wanted nothing is owed nothing for it.
            self._ahead_s = 0.0
            return line
        # Among those of one priority streams come first in any line.
        return line if self._ahead_s <= 0 else sorted(line, key=_finite_first)

    def ran(self, rides: list[Ride], tick_s: float) -> None:
        """Charge a tick that is predicted to take so long."""
        if self._is_shared:
            streams = sum(ride.place.is_stream for ride in rides)
            row_s = tick_s / len(rides)
            self._ahead_s += row_s * (streams / self._weight - (len(rides) - streams))


def _are_of_both_kinds(line: list[Ride]) -> bool:
    """Whether streams and others are in the most urgent priority of a line in order."""
    first, last = line[0].place, line[-1].place
    if not first.is_stream or first.level == last.level:
        return False
    return any(ride.place.level == first.level + 1 for ride in line)


def _finite_first(ride: Ride) -> tuple[int, bool, Place]:
    return ride.place.priority, ride.place.is_stream, ride.place
