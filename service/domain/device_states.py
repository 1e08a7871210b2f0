"""States that stay on a device: whose row is where, and how to come by a state without the device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

from service.domain.tensors import Array

# What is run again after the device is lost: 64 steps cost a CPU less than a caller's patience, and bringing
# a state to the host every 64 steps costs a device next to nothing.
MOST_INPUT_STEPS = 64
MOST_INPUT_BYTES = 1 << 16


class StateTable(Protocol):
    """Rows of states on a device; `epoch` counts how often all that is in them was given up."""

    epoch: int

    @property
    def row_bytes(self) -> int:
        """What one row of every state takes."""
        ...

    @property
    def in_use(self) -> int: ...

    @property
    def free(self) -> int:
        """Rows that can be taken."""
        ...

    def take(self) -> DeviceRow | None:
        """A row that is nobody's; None where there is none."""
        ...

    def give_back(self, index: int) -> None:
        """A row is nobody's again; from any thread."""
        ...

    def renounce(self) -> None:
        """Believe nothing that is in the table: the device has failed."""
        ...


class DeviceRow:
    """One row of a table, given back when nobody names it any more.

    A batch in flight names the rows it reads and writes, so none of them is another's before it has ended,
    however late that is.
    """

    __slots__ = ("epoch", "index", "table")

    def __init__(self, table: StateTable, index: int) -> None:
        self.table = table
        self.index = index
        self.epoch = table.epoch

    def __del__(self) -> None:
        self.table.give_back(self.index)

    def is_in(self, table: StateTable | None) -> bool:
        """Whether what was written here can be read from that table."""
        return self.table is table and self.epoch == self.table.epoch


_Inputs: TypeAlias = tuple[Any, Array]
"""What came before, itself such a pair or None, and the steps that followed."""


class ResidentState:
    """A sequence's state, never changed: what comes after a step is another one.

    It is what `inputs`, each `[steps, *step]`, make of `checkpoint`, one row of every state; and `row` holds
    it. Without inputs it is the checkpoint. `since_s` is when it came about.
    """

    # One is made for every row of every tick: a frozen dataclass would take four times as long, and a tuple
    # of the inputs would touch each of them again.
    __slots__ = ("_inputs", "checkpoint", "is_fresh", "row", "since_s", "size", "steps")

    def __init__(
        self,
        checkpoint: tuple[Array, ...],
        row: DeviceRow | None = None,
        since_s: float = 0.0,
        steps: int = 0,
        size: int = 0,
        inputs: _Inputs | None = None,
        *,
        is_fresh: bool = False,
    ) -> None:
        self.checkpoint = checkpoint
        self._inputs = inputs
        self.row = row
        self.steps = steps
        self.size = size
        self.since_s = since_s
        self.is_fresh = is_fresh

    @property
    def inputs(self) -> list[Array]:
        """In their order, `steps` steps in all, of `size` bytes."""
        found, before = [], self._inputs
        while before is not None:
            before, steps = before
            found.append(steps)
        return found[::-1]

    def after(self, steps: Array, row: DeviceRow | None, now_s: float) -> ResidentState:
        """The state that these further steps lead to."""
        count, size = self.steps + len(steps), self.size + steps.nbytes
        return ResidentState(self.checkpoint, row, now_s, count, size, (self._inputs, steps))

    def at(self, checkpoint: tuple[Array, ...]) -> ResidentState:
        """The same state, which has now been brought to the host."""
        return ResidentState(checkpoint, self.row, self.since_s)

    def has_room_for(self, steps: int, size: int) -> bool:
        """Whether so many steps more may be run again after a loss."""
        return self.steps + steps <= MOST_INPUT_STEPS and self.size + size <= MOST_INPUT_BYTES


@dataclass(frozen=True, slots=True)
class DeviceStates:
    """What a batch says instead of carrying states.

    Row `i` starts from `before[i]`, and where it ends is written to `targets[i]`, if that is not None: never
    to a row that somebody reads, so that a batch that fails, or comes late, changes nothing. A batch without
    rows brings to the host what it is to `read`, states with inputs. Any engine but the one of `table` makes
    the states again from their inputs.
    """

    table: StateTable | None
    before: tuple[ResidentState, ...]
    targets: tuple[DeviceRow | None, ...]
    has_step_outputs: bool
    returns_states: bool = False
    read: tuple[ResidentState, ...] = ()

    def part(self, first: int, end: int) -> DeviceStates:
        """The rows from `first` to before `end`."""
        return replace(self, before=self.before[first:end], targets=self.targets[first:end])
