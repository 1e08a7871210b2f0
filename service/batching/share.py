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
        # Of the line that was last in order: the level of its streams, and how many of each kind want a seat.
        self._level = self._streams = self._finite = 0

    def ordered(self, line: list[Ride]) -> list[Ride]:
        """The line with those first, of the most urgent priority, whose turn it is."""
        self._is_shared = _are_of_both_kinds(line)
        if not self._is_shared:
            # Whoever left the engine to the others because he wanted nothing is owed nothing for it.
            self._ahead_s = 0.0
            return line
        self._level = line[0].place.level
        self._streams, self._finite = self._counted(line)
        # Among those of one priority streams come first in any line.
        return line if self._ahead_s <= 0 else sorted(line, key=_finite_first)

    def ran(self, rides: list[Ride], tick_s: float) -> None:
        """Charge a tick that is predicted to take so long."""
        if self._is_shared:
            streams, finite = self._counted(rides)
            self._ahead_s += tick_s / len(rides) * (streams / self._weight - finite)
            self._forgive(tick_s, has_streams=streams == self._streams, has_finite=finite == self._finite)

    def _counted(self, rides: list[Ride]) -> tuple[int, int]:
        """The streams and the others of the priority that is shared."""
        levels = [ride.place.level for ride in rides]
        return levels.count(self._level), levels.count(self._level + 1)

    def _forgive(self, tick_s: float, *, has_streams: bool, has_finite: bool) -> None:
        """Those of whom nobody has to stand are owed a tick at most for the seats that they leave."""
        if has_streams:
            self._ahead_s = max(self._ahead_s, -tick_s)
        if has_finite:
            self._ahead_s = min(self._ahead_s, tick_s / self._weight)


def _are_of_both_kinds(line: list[Ride]) -> bool:
    """Whether streams and others are in the most urgent priority of a line in order."""
    first, last = line[0].place, line[-1].place
    if not first.is_stream or first.level == last.level:
        return False
    return any(ride.place.level == first.level + 1 for ride in line)


def _finite_first(ride: Ride) -> tuple[int, bool, Place]:
    return ride.place.priority, ride.place.is_stream, ride.place
