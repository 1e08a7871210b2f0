"""What an open loop's fates add up to."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from statistics import median

from load_tests.overload.fate import Fate, Kind, Outcome
from load_tests.tally import percentile


@dataclass(frozen=True, slots=True)
class Share:
    """One kind's part: what was asked and answered a second, the answers' latencies in ms.

    `served` is the share of those asked that were answered, be it after the time that is looked at.
    """

    asked_per_s: float
    answered_per_s: float
    served: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class RetryTruth:
    """Foretold wait over the true one, and how many of those who came back when told were let in."""

    refusals: int
    p10: float
    p50: float
    p90: float
    retries: int
    retries_let_in: int


def counts(fates: list[Fate]) -> Counter[Outcome]:
    return Counter(fate.outcome for fate in fates)


def share(fates: list[Fate], kinds: set[Kind], begin_s: float, end_s: float) -> Share:
    """Of what was due, and of what was answered, between two moments."""
    ours = [fate for fate in fates if fate.kind in kinds]
    seconds = end_s - begin_s
    asked = [fate for fate in ours if begin_s <= fate.due_s < end_s]
    answered = [f for f in ours if f.outcome is Outcome.ANSWERED and begin_s <= f.ended_s < end_s]
    latencies_ms = sorted(fate.latency_s * 1e3 for fate in answered)
    return Share(
        len(asked) / seconds,
        len(answered) / seconds,
        sum(fate.outcome is Outcome.ANSWERED for fate in asked) / max(1, len(asked)),
        percentile(latencies_ms, 50),
        percentile(latencies_ms, 99),
    )


def retry_truth(fates: list[Fate], timeout_s: float) -> RetryTruth:
    """How far the waits that refusals foretell are from those that turned out.

    The true wait is from the refusal to the answer of the last request let in before it, which is when what
    waited had run. A full queue states that wait; an unreachable deadline states by how much it is missed, so
    the wait foretold is the caller's own time and what is stated.
    """
    let_in = sorted(
        (fate.sent_s, fate.ended_s)
        for fate in fates
        if fate.outcome is Outcome.ANSWERED and fate.kind is not Kind.URGENT
    )
    sent_s = [sent for sent, _ in let_in]
    ratios = []
    for fate in fates:
        before = bisect_left(sent_s, fate.sent_s) - 1
        if fate.is_refused and before >= 0 and (truth_s := let_in[before][1] - fate.ended_s) > 0:
            own_s = timeout_s if fate.outcome is Outcome.UNREACHABLE else 0.0
            ratios.append((own_s + fate.stated_s) / truth_s)
    ratios.sort()
    retries = [fate for fate in fates if fate.kind is Kind.RETRY]
    return RetryTruth(
        len(ratios),
        percentile(ratios, 10),
        median(ratios) if ratios else math.nan,
        percentile(ratios, 90),
        len(retries),
        sum(not fate.is_refused for fate in retries),
    )
