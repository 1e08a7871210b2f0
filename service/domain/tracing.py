"""What is noted of a request on its way, by whoever meets it; who notes it decides what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from service.domain.batches import BatchResult


class RequestTrace(Protocol):
    """One request that is traced, from its arrival to its answer. Times are those of the server's clock."""

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits, as in `traceparent`."""
        ...

    def note(self, name: str, value: str | int) -> None:
        """Say something about the request as a whole."""
        ...

    def accepted(self, rows: Sequence[TracedRow], model: str, version: str) -> None:
        """It was well-formed, and its sequences wait from now on."""
        ...

    def refused(self, reason: str) -> None:
        """It is not answered; the reason is that of the metrics."""
        ...

    def ended(self, is_error: bool) -> None:
        """Nothing more is known of it. `is_error` says that the fault was the server's."""
        ...


class TracedRow(Protocol):
    """A sequence as its scheduler holds it; `trace` is None for most."""

    steps: int
    started_s: float
    trace: RequestTrace | None


class BatchObserver(Protocol):
    """Is shown every batch that ended, with its rows."""

    def batch_ended(
        self,
        rows: Sequence[TracedRow],
        steps: Sequence[int],
        row_steps: int,
        started_s: float,
        ended_s: float,
        outcome: BatchResult | Exception,
    ) -> None:
        """It was formed at `started_s` and answered, or not, at `ended_s`.

        So many `steps` of each row ran, `row_steps` of all with what is padding; a row with more waits again.
        """
        ...
