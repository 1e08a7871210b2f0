"""How waits turn out beside what was foretold: what the cost model cannot know, measured."""

from __future__ import annotations

_MEMORY = 0.9
_MOST = 4.0
_LATELY_S = 10.0
_CAUTION = 2.0


class Pace:
    """A factor for foretold waits, from those that ended.

    The foretelling assumes full batches of like lengths; how far a real mix of lengths, and a busy event
    loop, are from that is learned here. Recent waits count most, and long ones more than short ones.
    Never less than foretold: waits that were shorter are those behind tickets that left, and whoever counts
    on that again lets in more than can be answered.
    """

    def __init__(self) -> None:
        self._foretold_s = self._waited_s = self._off_s = 0.0
        self._learned_s = 0.0

    @property
    def factor(self) -> float:
        if not self._foretold_s:
            return 1.0
        return min(_MOST, max(1.0, self._waited_s / self._foretold_s))

    @property
    def cautious_factor(self) -> float:
        """The same for those who would rather be refused than be late."""
        if not self._foretold_s:
            return 1.0
        return min(_MOST, max(1.0, (self._waited_s + _CAUTION * self._off_s) / self._foretold_s))

    def observe(self, foretold_s: float, waited_s: float, now_s: float) -> None:
        """Learn from a ticket that was foretold `foretold_s`, without any factor, and waited `waited_s`."""
        self._learned_s = now_s
        self._off_s = _MEMORY * self._off_s + abs(waited_s - foretold_s * self.factor)
        self._foretold_s = _MEMORY * self._foretold_s + foretold_s
        self._waited_s = _MEMORY * self._waited_s + waited_s

    def forget_old(self, now_s: float) -> None:
        """Begin anew where nothing was learned lately.

        One bad moment may have everybody refused who could have shown that it is over.
        """
        if now_s - self._learned_s > _LATELY_S:
            self._foretold_s = self._waited_s = self._off_s = 0.0
