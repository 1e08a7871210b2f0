"""What a closed loop counts while it runs, and what the counts say."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

_MS = 1e3


class Tally:
    """Shared by the callers of one run: what to send next, until when, and what came back."""

    def __init__(self, requests: Iterator[bytes], seconds: float) -> None:
        self.requests = requests
        self.latencies_s: list[float] = []
        self.errors: Counter[str] = Counter()
        self.answer_bytes = 0
        self._started_s = time.perf_counter()
        self._ends_s = self._started_s + seconds
        self._last_s = self._started_s

    def is_over(self, now_s: float) -> bool:
        return now_s >= self._ends_s

    def answered(self, status: int, sent_s: float, now_s: float) -> None:
        """Count an answer: only a 200 has a latency, everything else is an error of its status."""
        self._last_s = now_s
        if status == 200:
            self.latencies_s.append(now_s - sent_s)
        else:
            self.errors[str(status)] += 1

    def lost(self) -> None:
        """Count a connection that was closed while its request was in flight."""
        self._last_s = time.perf_counter()
        self.errors["closed"] += 1

    def summary(self) -> Summary:
        """Between the first request and the last answer: nothing in flight is left uncounted."""
        elapsed_s = self._last_s - self._started_s
        latencies_s = sorted(self.latencies_s)
        return Summary(
            requests=len(latencies_s),
            errors=dict(self.errors),
            elapsed_s=elapsed_s,
            requests_per_s=len(latencies_s) / elapsed_s if elapsed_s else 0.0,
            p50_ms=percentile(latencies_s, 50) * _MS,
            p90_ms=percentile(latencies_s, 90) * _MS,
            p99_ms=percentile(latencies_s, 99) * _MS,
            answer_bytes=self.answer_bytes,
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """One closed loop in figures; `requests` were answered with 200, `answer_bytes` is a body's size."""

    requests: int
    errors: dict[str, int]
    elapsed_s: float
    requests_per_s: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    answer_bytes: int

    @property
    def error_count(self) -> int:
        return sum(self.errors.values())


def percentile(rising: list[float], percent: float) -> float:
    """The nearest-rank percentile: a value that was really measured; NaN where there is none."""
    if not rising:
        return math.nan
    return rising[max(1, math.ceil(len(rising) * percent / 100)) - 1]
