"""Sequences whose states stay on a fake GPU, stepped by hand."""

from __future__ import annotations

import numpy as np
from fake_gpu import Device
from fakes import running_sum

from service.backends.device_table import DeviceTable, StateRoom
from service.domain.batches import Batch
from service.domain.device_states import DeviceStates, ResidentState
from service.domain.tensors import Array

ROOM = StateRoom(rows=33, size=1 << 20)
ZERO = (np.zeros(2, np.float32),)
FRESH = ResidentState(ZERO, is_fresh=True)


class Streams:
    """Sequences whose states stay on one fake GPU, and what is due for each."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.states: dict[int, ResidentState] = {}
        self.due: dict[int, Array] = {}

    @property
    def table(self) -> DeviceTable:
        table = self.device.backend.capability.table
        assert isinstance(table, DeviceTable)
        return table

    def batch(self, chunks: dict[int, Array], *, returns_states: bool = False) -> Batch:
        lengths = [len(chunk) for chunk in chunks.values()]
        sequence = np.zeros((max(lengths), len(chunks), 2), np.float32)
        for row, chunk in enumerate(chunks.values()):
            sequence[: len(chunk), row] = chunk
        before = tuple(self.states.get(name, FRESH) for name in chunks)
        targets = tuple(self.table.take() for _ in chunks)
        has_steps = self.device.signature.has_step_outputs
        states = DeviceStates(self.table, before, targets, has_steps, returns_states)
        return Batch(sequence, np.array(lengths, np.int32), device_states=states)

    def step(self, chunks: dict[int, Array], *, returns_states: bool = False) -> None:
        """Run a chunk of each and see that its output goes on where the one before ended."""
        batch = self.batch(chunks, returns_states=returns_states)
        result = self.device.backend.run(batch)
        assert result.is_resident
        assert bool(result.states) == returns_states
        states = batch.device_states
        for row, (name, chunk) in enumerate(chunks.items()):
            due = running_sum(chunk, self.due.get(name, ZERO[0]))
            found = result.output[: len(chunk), row] if states.has_step_outputs else result.output[row]
            np.testing.assert_array_equal(found, due if states.has_step_outputs else due[-1])
            if returns_states:
                np.testing.assert_array_equal(result.states[0][row], due[-1])
            self.due[name] = due[-1]
            self.states[name] = states.before[row].after(chunk, states.targets[row], 0.0)

    def read(self, *names: int) -> Array:
        states = tuple(self.states[name] for name in names)
        batch = reading(self.table, states)
        return self.device.backend.run(batch).read[0]


def reading(table: DeviceTable | None, states: tuple[ResidentState, ...]) -> Batch:
    nobody = np.zeros(0, np.int32)
    wanted = DeviceStates(table, (), (), has_step_outputs=False, read=states)
    return Batch(np.zeros((0, 0, 2), np.float32), nobody, device_states=wanted)


def steps(count: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(-4, 5, size=(count, 2)).astype(np.float32)
