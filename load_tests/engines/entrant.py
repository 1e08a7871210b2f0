"""A loaded contender on its way through the batches."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from load_tests.engines.bounds import Forecast
from load_tests.engines.contender import Contender
from load_tests.engines.outcome import Ran
from service.backends.protocol import Backend
from service.domain.batches import Batch, BatchResult

Now = Callable[[], float]


@dataclass(slots=True)
class Sample:
    """So many runs in a row: mean seconds of one, and the last one's result."""

    host_s: float
    device_s: float
    result: BatchResult


@dataclass(slots=True)
class Entrant:
    """A contender, its backend, and what is known of its speed so far.

    One that is stopped is not tried with more rows of this length.
    """

    contender: Contender
    backend: Backend
    forecast: Forecast = field(default_factory=Forecast)
    is_stopped: bool = False

    @property
    def ran(self) -> Ran:
        one = self.contender
        return Ran(engine=one.engine, precision=one.precision, setting=one.setting, device=one.device)

    def sample(self, batch: Batch, runs: int, now: Now) -> Sample:
        """Run the batch so often; raises what the backend raises."""
        device_s = []
        started_s = now()
        for _ in range(runs):
            result = self.backend.run(batch)
            device_s.append(result.compute_s)
        return Sample((now() - started_s) / runs, statistics.fmean(device_s), result)
