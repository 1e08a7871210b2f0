"""What callers were answered while versions came and went."""

from __future__ import annotations

from dataclasses import dataclass, field

from load_tests.tally import percentile


@dataclass(slots=True)
class Record:
    """`answers` are (sent, ended) of right ones; `reloads` are (began, ended) of replacements."""

    answers: list[tuple[float, float]] = field(default_factory=list)
    reloads: list[tuple[float, float]] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    wrong: int = 0
    lost: int = 0

    def latencies_ms(self, *, during_reloads: bool) -> list[float]:
        """Of the answers that overlap a reload, or of those that do not; rising."""
        return sorted(
            (ended - sent) * 1e3
            for sent, ended in self.answers
            if self._is_during_reload(sent, ended) is during_reloads
        )

    def row(self, *, during_reloads: bool) -> tuple[str, str, str]:
        """Answers, p50 and p99 in ms."""
        latencies = self.latencies_ms(during_reloads=during_reloads)
        return f"{len(latencies):,}", f"{percentile(latencies, 50):.2f}", f"{percentile(latencies, 99):.2f}"

    def _is_during_reload(self, sent: float, ended: float) -> bool:
        return any(began < ended and sent < over for began, over in self.reloads)
