"""A model version's counts since it was loaded, exact to the request."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Duration:
    """How often something happened, and how many nanoseconds it took in all."""

    count: int
    ns: int


@dataclass(slots=True)
class Spent:
    """Runs of one kind: seconds from forming to answer, and those of them in the engine."""

    count: int = 0
    batch_s: float = 0.0
    compute_s: float = 0.0

    @property
    def compute_input(self) -> Duration:
        """On the way to the engine and back, padding included."""
        return _duration(self.count, self.batch_s - self.compute_s)

    @property
    def compute_infer(self) -> Duration:
        return _duration(self.count, self.compute_s)


@dataclass(slots=True)
class BatchCounts(Spent):
    """Batches of one size."""

    hand_out_s: float = 0.0

    @property
    def compute_output(self) -> Duration:
        return _duration(self.count, self.hand_out_s)


@dataclass(slots=True)
class RequestCounts(Spent):
    """Requests that succeeded; `queue` and the three `compute_` add up to `success`.

    The wait and the batch are those of a request's slowest row.
    """

    elapsed_s: float = 0.0
    queue_s: float = 0.0

    @property
    def success(self) -> Duration:
        return _duration(self.count, self.elapsed_s)

    @property
    def queue(self) -> Duration:
        return _duration(self.count, self.queue_s)

    @property
    def compute_output(self) -> Duration:
        """Handing out and resuming the caller: all that is left."""
        return _duration(self.count, self.elapsed_s - self.queue_s - self.batch_s)


@dataclass(slots=True)
class Statistics:
    """Requests by outcome, and batches by their number of rows; written and read on the event loop only.

    Seconds are summed as they come and sorted into parts when somebody asks: every request pays for the
    sums, and few are ever read.
    """

    sequences: int = 0
    batches: int = 0
    last_request_s: float = 0.0
    answered: RequestCounts = field(default_factory=RequestCounts)
    failed: int = 0
    failed_s: float = 0.0
    by_rows: dict[int, BatchCounts] = field(default_factory=dict)

    @property
    def fail(self) -> Duration:
        return _duration(self.failed, self.failed_s)

    def request_answered(
        self, rows: int, elapsed_s: float, queue_s: float, batch_s: float, compute_s: float
    ) -> None:
        self.sequences += rows
        self.last_request_s = time.time()
        answered = self.answered
        answered.count += 1
        answered.elapsed_s += elapsed_s
        answered.queue_s += queue_s
        answered.batch_s += batch_s
        answered.compute_s += compute_s

    def request_failed(self, elapsed_s: float) -> None:
        self.failed += 1
        self.failed_s += elapsed_s

    def batch_ran(self, rows: int, batch_s: float, compute_s: float, hand_out_s: float) -> None:
        """Count a batch that an engine answered: from forming to answer, in the engine, handing out."""
        self.batches += 1
        counts = self.by_rows.get(rows)
        if counts is None:
            counts = self.by_rows[rows] = BatchCounts()
        counts.count += 1
        counts.batch_s += batch_s
        counts.compute_s += compute_s
        counts.hand_out_s += hand_out_s


def _duration(count: int, seconds: float) -> Duration:
    # A sum of differences may end a rounding error below zero.
    return Duration(count, max(0, round(seconds * 1e9)))
