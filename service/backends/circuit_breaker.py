"""Whether an engine may be used: closed while it works, open after it failed, probed until it works again."""

from __future__ import annotations

_PATIENCE = 3
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0


class CircuitBreaker:
    """Opens after `_PATIENCE` failures in a row, or at once after a grave one.

    While it is open the engine is given no work but probes, at pauses that double with each failed one.
    """

    def __init__(self) -> None:
        self.is_open = False
        self._failures = 0
        self._pause_s = _FIRST_PAUSE_S

    @property
    def pause_s(self) -> float:
        """How long to wait before the next probe."""
        return self._pause_s

    def failed(self, is_grave: bool = False) -> bool:
        """Count a failure; True if it opened the breaker."""
        self._failures += 1
        if self.is_open or not (is_grave or self._failures >= _PATIENCE):
            return False
        self.is_open = True
        self._pause_s = _FIRST_PAUSE_S
        return True

    def succeeded(self) -> None:
        """A batch's success: failures count only in a row."""
        self._failures = 0

    def probe_failed(self) -> None:
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def probe_succeeded(self) -> None:
        self.is_open = False
        self._failures = 0
