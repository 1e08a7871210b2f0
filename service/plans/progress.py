"""How far a build is, out of TensorRT's nested phases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

OnProgress: TypeAlias = Callable[[str, float], None]
"""Told the phase's name and how much of the whole build is done, from 0 to 1."""


@dataclass(slots=True)
class _Phase:
    """A phase's place on the way from 0 to 1: where it begins, how long it is, its steps and those done."""

    begin: float
    length: float
    steps: int
    done: int = 0

    @property
    def reached(self) -> float:
        return self.begin + self.length * min(1.0, self.done / max(1, self.steps))


class BuildProgress:
    """Turns phases within phases into one rising fraction.

    What `on_progress` raises stops the build and is kept in `failure`: it must not pass through TensorRT.
    """

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._phases: dict[str, _Phase] = {}
        self._reached = 0.0
        self.failure: BaseException | None = None

    def start(self, name: str, parent: str | None, steps: int) -> None:
        around = self._phases.get(parent or "")
        if around is None:
            self._phases[name] = _Phase(0.0, 1.0, steps)
        else:
            self._phases[name] = _Phase(around.reached, around.length / max(1, around.steps), steps)
        self._tell(name)

    def step(self, name: str, step: int) -> bool:
        """Steps count from 0; False asks TensorRT to give up."""
        phase = self._phases.get(name)
        if phase is not None:
            phase.done = step + 1
            self._reached = max(self._reached, phase.reached)
        self._tell(name)
        return self.failure is None

    def finish(self, name: str) -> None:
        self._phases.pop(name, None)

    def _tell(self, name: str) -> None:
        if self.failure is None:
            try:
                self._on_progress(name, self._reached)
            except BaseException as failure:  # noqa: BLE001 - an interrupt, too, waits until TensorRT has returned
                self.failure = failure


def create_monitor(trt: Any, progress: BuildProgress) -> Any:
    """A progress monitor as TensorRT wants it, reporting to `progress`."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            # Not super(): a bound C++ class must be initialised by its own name.
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            progress.start(name, parent, steps)

        def step_complete(self, name: str, step: int) -> bool:
            return progress.step(name, step)

        def phase_finish(self, name: str) -> None:
            progress.finish(name)

    return Monitor()
