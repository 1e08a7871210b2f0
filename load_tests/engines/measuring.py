"""The contest on one batch: warm up, check, and run in turn, again and again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from load_tests.engines.batches import batch_bytes, batch_of, difference
from load_tests.engines.bounds import LEAST_RUNS, WARM_UPS, Bounds, runs_of
from load_tests.engines.entrant import Entrant, Now, Sample
from load_tests.engines.outcome import Measurement, Unmeasured, Verdict
from service.domain.batches import Batch
from service.domain.signature import Signature
from service.domain.tensors import Array
from service.errors import CarouselError

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Task:
    """Sequences of one length, what is due for them, and how far each precision may be from it."""

    signature: Signature
    distinct: Array
    due: Array
    tolerances: dict[str, float]

    @property
    def steps(self) -> int:
        return len(self.distinct)


@dataclass(slots=True)
class _Turn:
    """One entrant on this batch."""

    entrant: Entrant
    repeats: int = 0
    runs: int = 1
    host_s: list[float] = field(default_factory=list)
    device_s: list[float] = field(default_factory=list)
    worst: float = 0.0
    trouble: tuple[Verdict, str] | None = None

    @property
    def is_hopeless(self) -> bool:
        """Whether more rows would fare no better; what is wrong with these may be right with more."""
        return self.trouble is not None and self.trouble[0] is not Verdict.WRONG


class Contest:
    """All entrants on one batch, interleaved, so that other work on the machine disturbs all alike."""

    def __init__(self, task: Task, rows: int, bounds: Bounds, now: Now) -> None:
        self._task = task
        self._rows = rows
        self._bounds = bounds
        self._now = now

    def run(self, entrants: list[Entrant]) -> tuple[list[Measurement], list[Unmeasured]]:
        """Figures of those that answered rightly, and why the others have none."""
        turns = [_Turn(entrant) for entrant in entrants if not entrant.is_stopped]
        for turn in turns:
            turn.trouble = self._objection(turn.entrant)
        if any(turn.trouble is None for turn in turns):
            batch = batch_of(self._task.signature, self._task.distinct, self._rows)
            self._each(turns, lambda turn: self._warm_up(turn, batch))
            for place in range(self._bounds.repeats):
                due = [turn for turn in turns if place < turn.repeats]
                self._each(due, lambda turn: self._take(turn, batch))
        for turn in turns:
            turn.entrant.is_stopped = turn.is_hopeless
        return (
            [self._measurement(turn) for turn in turns if turn.trouble is None],
            [self._unmeasured(turn, *turn.trouble) for turn in turns if turn.trouble],
        )

    def _each(self, turns: list[_Turn], do: Callable[[_Turn], None]) -> None:
        for turn in turns:
            if turn.trouble is None:
                try:
                    do(turn)
                except CarouselError as failure:
                    turn.trouble = Verdict.FAILED, failure.message

    def _objection(self, entrant: Entrant) -> tuple[Verdict, str] | None:
        run_s = entrant.forecast.run_s(self._rows, self._task.steps)
        if not self._bounds.repeats_of(run_s):
            return Verdict.SKIPPED, f"a run would take about {run_s:.2g} s; {self._allowed}"
        is_cpu = entrant.contender.device == "cpu"
        size = batch_bytes(self._task.signature, self._rows, self._task.steps, is_cpu)
        if size > self._bounds.memory_bytes:
            allowed = f"{self._bounds.memory_bytes // _MIB:,} MiB may be used"
            return Verdict.SKIPPED, f"a run would take about {size // _MIB:,} MiB; {allowed}"
        return None

    @property
    def _allowed(self) -> str:
        return f"{self._bounds.seconds:g} s are allowed for the {LEAST_RUNS} that it takes at least"

    def _warm_up(self, turn: _Turn, batch: Batch) -> None:
        for _ in range(WARM_UPS):
            sample = turn.entrant.sample(batch, 1, self._now)
            self._check(turn, sample)
        turn.entrant.forecast.learn(self._rows, self._task.steps, sample.host_s)
        turn.repeats, turn.runs = self._bounds.repeats_of(sample.host_s), runs_of(sample.host_s)
        if not turn.repeats and turn.trouble is None:
            turn.trouble = Verdict.SKIPPED, f"a run took {sample.host_s:.2g} s; {self._allowed}"

    def _take(self, turn: _Turn, batch: Batch) -> None:
        sample = turn.entrant.sample(batch, turn.runs, self._now)
        self._check(turn, sample)
        turn.host_s.append(sample.host_s)
        turn.device_s.append(sample.device_s)

    def _check(self, turn: _Turn, sample: Sample) -> None:
        """Outside the clock, after every sample: what is replayed may go wrong later than the first run."""
        off = difference(self._task.signature, sample.result.output, self._task.due)
        allowed = self._task.tolerances[turn.entrant.contender.precision]
        turn.worst = max(turn.worst, off)
        if not off <= allowed:
            words = f"off by {off:.3g} from the float32 CPU; {allowed:.3g} is allowed"
            turn.trouble = Verdict.WRONG, words

    def _measurement(self, turn: _Turn) -> Measurement:
        times_device = turn.entrant.contender.times_device
        return Measurement(
            ran=turn.entrant.ran,
            rows=self._rows,
            steps=self._task.steps,
            runs=turn.runs,
            host_s=tuple(turn.host_s),
            device_s=tuple(turn.device_s) if times_device else None,
            largest_difference=turn.worst,
        )

    def _unmeasured(self, turn: _Turn, verdict: Verdict, reason: str) -> Unmeasured:
        return Unmeasured(
            ran=turn.entrant.ran, rows=self._rows, steps=self._task.steps, verdict=verdict, reason=reason
        )
