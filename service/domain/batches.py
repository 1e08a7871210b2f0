"""What travels between the scheduler and a device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from service.domain.device_states import DeviceStates
from service.domain.signature import Signature
from service.domain.tensors import Array


@dataclass(slots=True)
class Breaks:
    """Where a batch may end before its last step: after each `every` steps, if a break `is_wanted` then.

    It is the engine's thread that asks, and that counts the steps that are `done`.
    """

    every: int
    is_wanted: Callable[[], bool]
    has_step_outputs: bool
    done: int = 0


@dataclass(frozen=True, slots=True)
class Cuts:
    """A batch is run in several calls, each with only those rows that have steps left `after` the one before.

    These are rising numbers of steps, and before the batch's last.
    """

    after: tuple[int, ...]
    has_step_outputs: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that run together: `sequence [time, batch, *step]`, `lengths [batch]`, states `[batch, *shape]`.

    Every length is between 1 and the padded time; `states` has one array per state of the
    signature, in its order, or none where `device_states` says where they are. The arrays may be buffers that
    the next batch uses again. Where it has `breaks` all lengths are equal; with these or with `cuts` the
    states are here.
    """

    sequence: Array
    lengths: Array
    states: tuple[Array, ...] = ()
    device_states: DeviceStates | None = None
    breaks: Breaks | None = None
    cuts: Cuts | None = None

    @property
    def rows(self) -> int:
        return int(self.sequence.shape[1])

    @property
    def padded_steps(self) -> int:
        return int(self.sequence.shape[0])

    def part(self, first: int, end: int) -> Batch:
        """The rows from `first` to before `end`, as views."""
        return Batch(
            self.sequence[:, first:end],
            self.lengths[first:end],
            tuple(state[first:end] for state in self.states),
            self.device_states and self.device_states.part(first, end),
        )

    def steps(self, first: int, end: int, states: tuple[Array, ...]) -> Batch:
        """The steps from `first` to before `end` of rows of equal lengths, from these states; views."""
        sequence = self.sequence[first:end]
        return Batch(sequence, np.full_like(self.lengths, len(sequence)), states)

    def as_run(self, result: BatchResult) -> Batch:
        """So much of it as was run."""
        return self.steps(0, result.ran_steps, self.states) if result.ran_steps else self

    def copy(self) -> Batch:
        """The same numbers in memory that nobody uses again."""
        states = tuple(state.copy() for state in self.states)
        return Batch(self.sequence.copy(), self.lengths.copy(), states, self.device_states)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """A batch's `output` (`[batch, …]` or `[time, batch, …]`), its new states, and who computed it.

    `engine` and `is_finite` are filled in by the engine's thread; `is_degraded` says that a better engine
    should have computed it. Where it `is_resident` the new states are in the rows that the batch named, and
    `states` has them only if they were asked for; `read` are the states it was to read beside that. A batch
    that had breaks ran `ran_steps`, one that had cuts `cut_row_steps` for its rows together, padding
    included; both in so many `calls`.
    """

    output: Array
    states: tuple[Array, ...]
    device: str
    compute_s: float
    engine: str = ""
    is_finite: bool = True
    is_degraded: bool = False
    is_resident: bool = False
    read: tuple[Array, ...] = ()
    ran_steps: int = 0
    cut_row_steps: int = 0
    calls: int = 1

    def row_steps(self, batch: Batch) -> int:
        """The steps that were run for all rows of the batch together, padding included."""
        return self.cut_row_steps or batch.rows * batch.padded_steps


def fits(result: BatchResult, signature: Signature, rows: int, padded_steps: int, reads: int = 0) -> bool:
    """Whether a result has every row and every step of the batch it answers, and all that it was to read."""
    leading = (padded_steps, rows) if signature.has_step_outputs else (rows,)
    is_elsewhere = not result.states and (result.is_resident or not rows)
    has_states = is_elsewhere or [len(state) for state in result.states] == [rows] * len(signature.states)
    has_read = not reads or [len(state) for state in result.read] == [reads] * len(signature.states)
    return has_states and has_read and result.output.shape[: len(leading)] == leading
