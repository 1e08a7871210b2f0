"""The gate before publishing: what the artefact computes, against PyTorch in float64.

Three comparisons on real sequences of random lengths, mixed and cut at random: a lone sequence against
the reference, a row of a padded batch against the row alone, and a sequence in chunks against it whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from math import ceil, floor, log10
from typing import TypeAlias

import numpy as np

from service.backends.protocol import Backend
from service.domain.batches import Batch
from service.domain.signature import Signature
from service.domain.tensors import Array
from service.errors import CarouselError
from service.repository.manifest import Tolerance

Reference: TypeAlias = Callable[[Array], tuple[Array, tuple[Array, ...]]]
"""From a sequence `[steps, *step]`, started fresh, to its output and last states."""

# Allowed differences as shares of the largest output: float32 keeps 24 bits, and a recurrence over
# hundreds of steps loses a few of them.
_REFERENCE_SHARE = 2e-5
_ARRANGEMENT_SHARE = 1e-5
_TRIALS = 12
_MOST_ROWS = 9
_GARBAGE = 7.0


class ParityFailed(CarouselError):
    """The artefact does not compute what the network computes; it must not be published."""

    reason = "parity"


@dataclass(slots=True)
class ParityReport:
    """Largest absolute differences of any output, and on how much they were looked for.

    `states` is the largest difference of any state in any of the comparisons, as a share of the
    largest value of that state.
    """

    reference: float = 0.0
    batched: float = 0.0
    chunked: float = 0.0
    states: float = 0.0
    largest_output: float = 1.0
    sequences: int = 0
    steps: int = 0
    longest: int = 0
    cuts: int = 0
    seed: int = 0
    device: str = ""
    tolerance: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One sequence's output and last states."""

    output: Array
    states: tuple[Array, ...]

    def state_distance(self, due: Outcome) -> float:
        """The largest difference of a state, as a share of what is due."""
        shares = (
            _largest_difference(mine, theirs) / max(1.0, _magnitude(theirs))
            for mine, theirs in zip(self.states, due.states, strict=True)
        )
        return max(shares, default=0.0)


class ParityCheck:
    """Runs a loaded backend beside the reference on mixes of the given sequences."""

    def __init__(
        self, backend: Backend, signature: Signature, reference: Reference, examples: list[Array], seed: int
    ) -> None:
        self._backend = backend
        self._signature = signature
        self._reference = reference
        self._examples = examples
        self._random = np.random.default_rng(seed)
        self._report = ParityReport(seed=seed, device=backend.capability.device)

    def run(self) -> tuple[ParityReport, Tolerance]:
        """The report and the tolerance it holds; raises ParityFailed naming the comparison that is off."""
        for _ in range(_TRIALS):
            self._try(self._mix())
        report = self._report
        allowed = Tolerance(
            reference=_rounded_up(_REFERENCE_SHARE * report.largest_output),
            batched=_rounded_up(_ARRANGEMENT_SHARE * report.largest_output),
            chunked=_rounded_up(_ARRANGEMENT_SHARE * report.largest_output),
        )
        report.tolerance = allowed.model_dump()
        for comparison, limit in {**report.tolerance, "states": _REFERENCE_SHARE}.items():
            found = getattr(report, comparison)
            if not found <= limit:
                raise ParityFailed(f"{comparison}: differs by {found:.3g}, allowed are {limit:.3g}")
        return report, allowed

    def _mix(self) -> list[Array]:
        """Random pieces of random examples, of lengths spread evenly over the orders of magnitude."""
        pieces = []
        for _ in range(int(self._random.integers(2, _MOST_ROWS + 1))):
            example = self._examples[self._random.integers(len(self._examples))]
            steps = ceil(len(example) ** self._random.random())
            start = int(self._random.integers(len(example) - steps + 1))
            pieces.append(example[start : start + steps])
        return pieces

    def _try(self, sequences: list[Array]) -> None:
        report = self._report
        together = self._run(sequences, self._fresh(len(sequences)))
        for sequence, in_batch in zip(sequences, together, strict=True):
            alone = self._run([sequence], self._fresh(1))[0]
            due = Outcome(*self._reference(sequence))
            report.largest_output = max(report.largest_output, _magnitude(due.output))
            self._note("reference", alone, due)
            self._note("batched", in_batch, alone)
            if self._signature.is_causal:
                self._note("chunked", self._in_chunks(sequence), alone)
            report.sequences += 1
            report.steps += len(sequence)
            report.longest = max(report.longest, len(sequence))

    def _note(self, comparison: str, found: Outcome, due: Outcome) -> None:
        report = self._report
        distance = _largest_difference(found.output, due.output)
        setattr(report, comparison, max(getattr(report, comparison), distance))
        report.states = max(report.states, found.state_distance(due))

    def _in_chunks(self, sequence: Array) -> Outcome:
        outputs, states = [], self._fresh(1)
        for chunk in self._chunks(sequence):
            outcome = self._run([chunk], states)[0]
            outputs.append(outcome.output)
            states = tuple(state[np.newaxis] for state in outcome.states)
        whole = np.concatenate(outputs) if self._signature.has_step_outputs else outputs[-1]
        return Outcome(whole, tuple(state[0] for state in states))

    def _chunks(self, sequence: Array) -> Iterator[Array]:
        start = 0
        while start < len(sequence):
            steps = int(self._random.integers(1, len(sequence) - start + 1))
            yield sequence[start : start + steps]
            start += steps
            self._report.cuts += 1

    def _run(self, sequences: list[Array], states: tuple[Array, ...]) -> list[Outcome]:
        lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int32)
        padded = self._garbage((int(lengths.max()), len(sequences), *self._signature.step_shape))
        for row, sequence in enumerate(sequences):
            padded[: len(sequence), row] = sequence
        result = self._backend.run(Batch(padded, lengths, states))
        return [
            Outcome(
                result.output[:steps, row] if self._signature.has_step_outputs else result.output[row],
                tuple(state[row] for state in result.states),
            )
            for row, steps in enumerate(lengths.tolist())
        ]

    def _garbage(self, shape: tuple[int, ...]) -> Array:
        """What lies past a row's end: it must not matter, so it is anything but zero."""
        datatype = self._signature.step_datatype
        if datatype.is_floating:
            return self._random.normal(scale=_GARBAGE, size=shape).astype(datatype.dtype)
        return self._random.integers(self._signature.symbol_count or 2, size=shape).astype(datatype.dtype)

    def _fresh(self, rows: int) -> tuple[Array, ...]:
        return tuple(np.zeros((rows, *state.shape), dtype=np.float32) for state in self._signature.states)


def _largest_difference(mine: Array, theirs: Array) -> float:
    """Infinite where the shapes differ or something is not finite."""
    if mine.shape != theirs.shape:
        return float("inf")
    largest = float(np.abs(mine.astype(np.float64) - theirs).max())
    return largest if np.isfinite(largest) else float("inf")


def _magnitude(tensor: Array) -> float:
    return float(np.abs(tensor).max())


def _rounded_up(value: float) -> float:
    """To two significant digits, so that manifests are stable and readable."""
    unit = 10.0 ** (floor(log10(value)) - 1)
    return float(f"{ceil(value / unit - 1e-9) * unit:.2g}")
