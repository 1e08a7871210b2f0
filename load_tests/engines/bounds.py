"""What a comparison may take: time and memory, foretold from what was measured before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# A median of fewer says nothing where other work disturbs.
_LEAST_REPEATS = 3
# The first run may compile, allocate or capture; the second says how long one takes.
WARM_UPS = 2
LEAST_RUNS = WARM_UPS + _LEAST_REPEATS
# A sample is at least this long, so that the clock and the call around it do not count.
_LEAST_SAMPLE_S = 0.002
_MOST_RUNS = 64


@dataclass(frozen=True, slots=True)
class Bounds:
    """Most seconds for a contender on one batch, with all repeats; most bytes of a run; most repeats."""

    seconds: float = 3.0
    memory_bytes: int = 1 << 34
    repeats: int = 9

    def repeats_of(self, run_s: float) -> int:
        """How many samples the time allows for after the warm-up; 0 where it does not allow LEAST_RUNS."""
        allowed = int(self.seconds / max(run_s, _LEAST_SAMPLE_S))
        return min(self.repeats, allowed - WARM_UPS) if allowed >= LEAST_RUNS else 0


def runs_of(run_s: float) -> int:
    """How many runs make a sample."""
    return max(1, min(_MOST_RUNS, round(_LEAST_SAMPLE_S / max(run_s, 1e-9))))


class Forecast:
    """How long one contender's next batch will take: what it took for its largest so far, in proportion.

    That is too much rather than too little: few rows cost nearly as much as one.
    """

    def __init__(self) -> None:
        self._taken: dict[tuple[int, int], float] = {}

    def learn(self, rows: int, steps: int, run_s: float) -> None:
        self._taken[rows, steps] = run_s

    def run_s(self, rows: int, steps: int) -> float:
        """Seconds of a run; 0 where nothing smaller was run."""
        smaller = [place for place in self._taken if place[0] <= rows and place[1] <= steps]
        if not smaller:
            return 0.0
        nearest = max(smaller, key=lambda place: place[0] * place[1])
        return self._taken[nearest] * rows * steps / (nearest[0] * nearest[1])


def free_bytes(path: Path = Path("/proc/meminfo")) -> int:
    """Half of the memory that is free on this machine; another program may want the rest."""
    for line in path.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024 // 2
    raise OSError(f"{path}: expected a line MemAvailable")
