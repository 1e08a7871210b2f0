"""A comparison from the first model to the last; what is done is kept, whatever befalls the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from load_tests.engines.batches import doubling
from load_tests.engines.bounds import Bounds
from load_tests.engines.comparing import OnBatch, compare_on
from load_tests.engines.contender import Field, Grid
from load_tests.engines.entrant import Now
from load_tests.engines.facts import commit, machine_facts
from load_tests.engines.outcome import ModelOutcome, NotHere, Outcome
from service.plans.driver import Device
from service.repository.golden import GoldenVectors
from service.repository.scanner import Bundle

_LENGTHS = (1, 16, 64, 256)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What to compare: bundles, each with its batches, and who takes part, within which bounds."""

    runs: Sequence[tuple[Bundle, Grid]]
    field: Field
    bounds: Bounds

    def compare(
        self, blank: Outcome, now: Now, on_model: Callable[[str], OnBatch], keep: Callable[[Outcome], None]
    ) -> Outcome:
        """`blank` with a figure for every model; `keep` gets it after each one."""
        models: list[ModelOutcome] = []
        outcome = blank
        for bundle, grid in self.runs:
            on_batch = on_model(bundle.manifest.name)
            models.append(compare_on(bundle, self.field.contenders, grid, self.bounds, now, on_batch))
            outcome = blank.model_copy(update={"models": tuple(models)})
            keep(outcome)
        return outcome


def blank_outcome(device: Device, field: Field, settings: dict[str, str]) -> Outcome:
    """The machine, the moment and who is missing; made before anything runs."""
    return Outcome(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=commit(),
        machine=machine_facts(device),
        settings=settings,
        absent=tuple(NotHere(name=one.engine, reason=one.reason) for one in field.absent),
    )


def grid_of(most_rows: int, lengths: Sequence[int], golden: GoldenVectors) -> Grid:
    """Rows 1, 2, 4 and so on; the lengths given, else a real bundle's own, else 1, 16, 64 and 256."""
    met = sorted(len(sequence) for sequence in golden.sequences)
    own = {1, met[len(met) // 2], met[-1]} if met else _LENGTHS
    return Grid(doubling(1, most_rows), tuple(sorted(set(lengths or own))))
