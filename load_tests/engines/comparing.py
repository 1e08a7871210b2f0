"""A model's way through all batches, with everybody who can run it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from load_tests.engines.batches import DISTINCT, batch_of, sequences
from load_tests.engines.bounds import Bounds, Forecast
from load_tests.engines.contender import Contender, Grid
from load_tests.engines.entrant import Entrant, Now
from load_tests.engines.measuring import Contest, Task
from load_tests.engines.outcome import Measurement, ModelOutcome, NotHere, Unmeasured
from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.errors import CarouselError
from service.plans.plan import Precision
from service.repository.golden import GoldenVectors, read_golden
from service.repository.proving import tolerance_of
from service.repository.scanner import Bundle

OnBatch = Callable[[int, int, float], None]
"""Told rows, steps and the share that is done, before each batch."""


def compare_on(
    bundle: Bundle, contenders: Sequence[Contender], grid: Grid, bounds: Bounds, now: Now, on_batch: OnBatch
) -> ModelOutcome:
    """Every contender on every batch of the grid; what cannot be is told in the outcome."""
    golden = read_golden(bundle.folder)
    tolerances = {str(one): _tolerance(bundle, golden, one) for one in Precision}
    forecasts: defaultdict[Contender, Forecast] = defaultdict(Forecast)
    measured: list[Measurement] = []
    unmeasured: list[Unmeasured] = []
    refused: dict[NotHere, None] = {}
    for place, steps in enumerate(grid.lengths):
        # Loaded anew for each length: what the largest batches of one took would be missing in the next.
        with ExitStack() as stack:
            part = Grid(grid.rows, (steps,))
            entrants, without = _entrants(bundle, contenders, part, forecasts, stack)
            refused |= dict.fromkeys(without)
            task = _task(bundle, golden, steps, tolerances)
            for other, rows in enumerate(grid.rows):
                on_batch(rows, steps, (place + other / len(grid.rows)) / len(grid.lengths))
                figures, missing = Contest(task, rows, bounds, now).run(entrants)
                measured += figures
                unmeasured += missing
    manifest = bundle.manifest
    return ModelOutcome(
        model=manifest.name,
        version=manifest.version,
        description=manifest.description,
        tolerances=tolerances,
        measurements=tuple(measured),
        unmeasured=tuple(unmeasured),
        refused=tuple(refused),
    )


def _tolerance(bundle: Bundle, golden: GoldenVectors, precision: Precision) -> float:
    """Two engines may each be off the truth by what the bundle allows, in opposite directions."""
    allowed = tolerance_of(bundle.manifest, golden, precision)
    return 2 * allowed if precision is Precision.FP32 else allowed


def _entrants(
    bundle: Bundle,
    contenders: Sequence[Contender],
    grid: Grid,
    forecasts: Mapping[Contender, Forecast],
    stack: ExitStack,
) -> tuple[list[Entrant], list[NotHere]]:
    entrants, refused = [], []
    for contender in contenders:
        try:
            backend = contender.load(bundle, grid)
        except CarouselError as failure:
            refused.append(NotHere(name=str(contender), reason=failure.message))
            continue
        stack.callback(backend.close)
        entrants.append(Entrant(contender, backend, forecasts[contender]))
    return entrants, refused


def _task(bundle: Bundle, golden: GoldenVectors, steps: int, tolerances: dict[str, float]) -> Task:
    """What is due comes from the float32 CPU engine, here and now."""
    signature = bundle.manifest.signature
    distinct = sequences(signature, golden, steps)
    truth = OnnxRuntimeBackend()
    truth.load(bundle.artifact)
    due = truth.run(batch_of(signature, distinct, DISTINCT)).output
    truth.close()
    return Task(signature, distinct, due, tolerances)
