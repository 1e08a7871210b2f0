"""How much one caller may ask: so many requests a second, and so many at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from service.errors import RateLimited, TooManyConcurrent

# When one of its own requests will end is known to the caller better than to the server.
_ASK_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """None is no limit; a burst of None is one second's worth, one request at least."""

    requests_per_s: float | None = None
    burst: int | None = None
    concurrent: int | None = None

    @property
    def capacity(self) -> float:
        """The most requests that may come at once after a pause."""
        return float(self.burst or max(1, math.ceil(self.requests_per_s or 1)))


class Allowance:
    """One caller's account: a bucket that fills with time, and the requests being answered."""

    def __init__(self, limits: Limits, now_s: float) -> None:
        self.limits = limits
        self.running = 0
        self._tokens = limits.capacity
        self._filled_s = now_s

    def take(self, caller: str, now_s: float) -> None:
        """Count one request as running; raises TooManyConcurrent or RateLimited."""
        most = self.limits.concurrent
        if most is not None and self.running >= most:
            raise TooManyConcurrent(
                f"requests: {self.running} of {caller} are being answered, at most {most} may be",
                _ASK_AGAIN_S,
            )
        if self.limits.requests_per_s is not None:
            self._take_token(caller, self.limits.requests_per_s, now_s)
        self.running += 1

    def release(self) -> None:
        """One request has been answered."""
        self.running -= 1

    def _take_token(self, caller: str, per_s: float, now_s: float) -> None:
        elapsed_s = max(0.0, now_s - self._filled_s)
        self._tokens = min(self.limits.capacity, self._tokens + elapsed_s * per_s)
        self._filled_s = now_s
        # What rounding took from a token must not cost its owner another wait.
        if self._tokens < 1 - 1e-9:
            raise RateLimited(f"requests: {caller} may send {per_s:g} a second", (1 - self._tokens) / per_s)
        self._tokens -= 1
