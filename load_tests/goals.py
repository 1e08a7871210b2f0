"""What was set out to be reached: printed beside what is, never asserted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on one figure."""

    subject: str
    bound: float
    unit: str
    is_upper: bool = True

    def is_met(self, reached: float) -> bool:
        return reached <= self.bound if self.is_upper else reached >= self.bound

    def row(self, reached: float) -> tuple[str, str, str, str]:
        """Subject, figure, bound and verdict, worded for a table."""
        side = "at most" if self.is_upper else "at least"
        verdict = "reached" if self.is_met(reached) else "missed"
        return self.subject, f"{reached:.3g} {self.unit}", f"{side} {self.bound:g} {self.unit}", verdict


CPU_MS = Goal("server CPU per W1 JSON request, 64 connections", 0.10, "ms")
LONE_P50_MS = Goal("p50 of W1 JSON at one connection", 0.4, "ms")
FIRST_ANSWER_S = Goal("process start to first answer", 1.5, "s")
RESIDENT_MIB = Goal("resident memory, all bundles loaded", 350, "MiB")
AGAINST_ARRIVAL = {
    "uniform 1-256": Goal("uniform 1-256, all at once, against arrival order", 2.0, "x", is_upper=False),
    "exponential": Goal("exponential, all at once, against arrival order", 4.5, "x", is_upper=False),
    "lognormal": Goal("lognormal, all at once, against arrival order", 5.0, "x", is_upper=False),
}
EFFICIENCY = {
    "uniform 1-256": Goal("uniform 1-256, efficiency", 0.95, "", is_upper=False),
    "exponential": Goal("exponential, efficiency", 0.92, "", is_upper=False),
    "lognormal": Goal("lognormal, efficiency", 0.92, "", is_upper=False),
}
AGAINST_ALONE = Goal("worst trace and way, against one by one", 1.0, "x", is_upper=False)
HEAD_OF_LINE = Goal(
    "p99 of 10 steps beside 5,000, whole sequences against the carousel", 5.0, "x", is_upper=False
)
LOST = Goal("requests lost", 0, "requests")
WRONG = Goal("answers that are not that of their version", 0, "answers")
EXIT_STATUS = Goal("exit status", 0, "")
EXIT_S = Goal("SIGTERM to the end, the slowest", 2.0, "s")
GOODPUT = Goal("answers a second under overload, against the peak", 0.95, "x", is_upper=False)
URGENT_SHARE = Goal("priority 1: answered of asked", 0.99, "x", is_upper=False)
NEIGHBOUR_P99 = Goal("p99 of the good clients beside the worst of the others, against alone", 2.0, "x")
