"""A stream where it stands: everything another server needs to go on with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from service.domain.signature import Signature, StateSpec
from service.domain.tensors import Array
from service.errors import InvalidSnapshot, SnapshotMismatch

Answer: TypeAlias = tuple[Array, ...]
"""The outputs of one step request, an array of float32 for each row."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A session after its last acknowledged step.

    `step_number` is the client's number of that step and `answer` what it was told, so that a repeated step
    is answered and not run again. `steps_run` counts time steps. `owner` is the name of the key that opened
    it. `states` has a float32 array
    `[rows, *shape]` for each state, by the name of the graph's input. Times are Unix seconds.
    `resume_digest` is the SHA-256 of the token that its client comes back with, if any: it goes where the
    session goes, not to clients that carry its state.
    """

    session_id: str
    model: str
    version: str
    fingerprint: str
    rows: int
    step_number: int
    steps_run: int
    created_s: float
    used_s: float
    idle_limit_s: float
    ttl_s: float
    states: Mapping[str, Array]
    answer: Answer | None = None
    owner: str | None = None
    resume_digest: str | None = None

    @property
    def expires_s(self) -> float:
        """When it has been idle too long or has lived too long."""
        return min(self.used_s + self.idle_limit_s, self.created_s + self.ttl_s)


def fingerprint_of(onnx_sha256: str, states: Sequence[StateSpec]) -> str:
    """What decides whether state may be carried over: graph, weights and states, as 64 hex digits.

    Model name and version are not in it: a version that differs in its labels alone goes on with the state.
    """
    specs = [[state.input, state.output, list(state.shape)] for state in states]
    return hashlib.sha256(json.dumps([onnx_sha256, specs]).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Origin:
    """The model version whose sessions these are."""

    model: str
    version: str
    fingerprint: str
    signature: Signature


def check_answer(snapshot: Snapshot, signature: Signature) -> None:
    """Raises InvalidSnapshot where its answer is none that the model could have given."""
    due = signature.output_shape
    for row in snapshot.answer or ():
        shape = row.shape[1:] if signature.has_step_outputs else row.shape
        if shape != due:
            raise InvalidSnapshot(
                f"snapshot: answer: has the shape {row.shape}: the model's outputs have {due}"
            )


def check_fits(snapshot: Snapshot, fingerprint: str, states: Sequence[StateSpec]) -> None:
    """Raises SnapshotMismatch for another model's snapshot, InvalidSnapshot for other states."""
    if snapshot.fingerprint != fingerprint:
        raise SnapshotMismatch(
            f"snapshot: is of {snapshot.model} version {snapshot.version} with the fingerprint "
            f"{snapshot.fingerprint[:12]}, the model in service has {fingerprint[:12]}: "
            "start the session anew, or load the version it came from"
        )
    expected = {state.input: (snapshot.rows, *state.shape) for state in states}
    found = {name: state.shape for name, state in snapshot.states.items()}
    if found != expected:
        raise InvalidSnapshot(f"snapshot: has the states {found}, the model {expected}")
