"""How fast a recipe learns on a device: its own training, broken off after a while. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

import torch

from load_tests.engines.entrant import Now
from load_tests.engines.outcome import TrainingOutcome
from model_export.recipe import Recipe

# The first steps allocate, and choose algorithms.
_WARM_UP = 3


class _SeenEnough(Exception):
    """Ends a training from within; nothing is kept of it."""


@dataclass(slots=True)
class _Watch:
    """Told after every step of the optimiser, when the device has done it: the loss has been read."""

    now: Now
    seconds: float
    times_s: list[float] = field(default_factory=list)
    steps: int = 0

    def __call__(self, step: int, steps: int, loss: float, note: str) -> None:
        self.times_s.append(self.now())
        self.steps = steps
        if len(self.times_s) > _WARM_UP + 1 and self.times_s[-1] - self.times_s[_WARM_UP] >= self.seconds:
            raise _SeenEnough


def training_devices() -> Sequence[str]:
    """The CPU, and the GPU where torch reaches one."""
    return ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


def time_training(recipe: Recipe, device: str, threads: int, seconds: float, now: Now) -> TrainingOutcome:
    """Steps of the optimiser for about so many seconds, on data that is there already when the clock starts.

    Raises ValueError where the whole training has too few steps to time any.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(recipe.seed)
    watch = _Watch(now, seconds)
    with suppress(_SeenEnough):
        recipe.train(recipe.network().to(device), device, watch)
    step_s = [after - before for before, after in pairwise(watch.times_s[_WARM_UP:])]
    if not step_s:
        raise ValueError(f"{recipe.name}: {watch.steps} steps are too few to time: expected {_WARM_UP + 2}")
    return TrainingOutcome(
        recipe=recipe.name, device=device, threads=threads, steps=watch.steps, step_s=tuple(step_s)
    )
