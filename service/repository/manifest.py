"""The contract file of a bundle, `models/<name>/<version>/manifest.json`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from service.domain.signature import Readout, Signature, StateSpec
from service.domain.tensors import Datatype
from service.errors import InvalidBundle
from service.repository.feedback import Feedback
from service.repository.files import read_file
from service.repository.versions import VERSION

MANIFEST = "manifest.json"
ONNX = "model.onnx"
PARITY = "parity.json"
GOLDEN = "golden.npz"

_MOST_BYTES = 1 << 24
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
_SHA256 = r"^[0-9a-f]{64}$"

Extent = Annotated[int, Field(ge=1, le=1 << 20)]
TensorName = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class Kind(StrEnum):
    """The LSTM kinds Carousel exports itself, and `imported` for everyone else's."""

    VANILLA = "vanilla"
    STACKED = "stacked"
    BIDIRECTIONAL = "bidirectional"
    PEEPHOLE = "peephole"
    CNN_LSTM = "cnn_lstm"
    CONV_LSTM = "conv_lstm"
    IMPORTED = "imported"


class Task(StrEnum):
    """What an answer means, and so how /predict words it."""

    CLASSIFICATION = "classification"  # one label for the sequence
    LABELLING = "labelling"  # one label for each step
    TRANSCRIPTION = "transcription"  # CTC: per-step labels and a blank, collapsed to a text
    NEXT_SYMBOL = "next_symbol"  # a distribution over the symbol that follows each step
    FORECAST = "forecast"  # numbers with a unit
    TENSOR = "tensor"  # numbers, nothing known about them


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Step(_Part):
    """One time step as the client sends it: raw values, normalisation is inside the graph."""

    datatype: Datatype
    shape: tuple[Extent, ...]
    features: tuple[str, ...] | None = Field(
        default=None, description="what each number of a step is, with its unit"
    )
    symbols: tuple[str, ...] | None = Field(
        default=None, description="integer steps: the symbol of each id, so that text can be sent"
    )
    symbol_count: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="integer steps without symbols: ids run from 0 to one below this"
    )


class Output(_Part):
    """What comes out for a sequence (readout `last`) or for each of its steps (`every_step`)."""

    shape: tuple[Extent, ...]
    readout: Readout
    labels: tuple[str, ...] | None = None
    blank: int | None = Field(default=None, ge=0, description="transcription: the index that is no label")
    unit: str | None = None


class State(_Part):
    """A recurrent tensor: which output becomes which input, by name, and its shape per row."""

    input: TensorName
    output: TensorName
    shape: tuple[Extent, ...]


class Dataset(_Part):
    """Where the training data comes from, and what was done with it."""

    name: str
    source: str
    licence: str
    split: str
    preparation: str = Field(default="", description="how raw data becomes steps, normalisation in the graph")


class Quality(_Part):
    """A figure reached on the sealed test set, beside what it is compared with."""

    metric: str
    value: float
    unit: str
    goal: float
    better: Literal["higher", "lower"]
    references: dict[str, float] = Field(default_factory=dict)

    @property
    def reaches_goal(self) -> bool:
        return self.value >= self.goal if self.better == "higher" else self.value <= self.goal


class Tolerance(_Part):
    """Largest absolute difference of any output that parity allows, per comparison."""

    reference: float = Field(description="against PyTorch in float64, sequence by sequence")
    batched: float = Field(description="in a padded batch against alone")
    chunked: float = Field(description="cut into chunks against whole")


class Manifest(_Part):
    """Everything a server must know about a bundle; written last, so a bundle without it does not exist."""

    schema_version: Literal[1] = 1
    name: Annotated[str, StringConstraints(pattern=NAME)]
    version: Annotated[str, StringConstraints(pattern=VERSION)]
    kind: Kind
    task: Task
    description: str
    causal: bool
    step: Step
    output: Output
    states: tuple[State, ...] = ()
    feedback: Feedback | None = None
    dataset: Dataset | None = None
    quality: tuple[Quality, ...] = ()
    remarks: tuple[str, ...] = ()
    tolerance: Tolerance
    files: dict[str, Annotated[str, StringConstraints(pattern=_SHA256)]]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Manifest:
        if self.states and not self.causal:
            raise ValueError("states: a model that is not causal has none")
        names = [name for state in self.states for name in (state.input, state.output)]
        if len(set(names)) != len(names):
            raise ValueError("states: every input and output needs a name of its own")
        if self.step.symbols and (self.step.datatype.is_floating or self.step.shape):
            raise ValueError("step.symbols: only for steps that are one integer")
        if ONNX not in self.files:
            raise ValueError(f"files: {ONNX} is missing")
        if self.feedback is not None:
            self.feedback.check(self.signature)
        return self

    @model_validator(mode="after")
    def _can_be_worded(self) -> Manifest:
        labels, blank = self.output.labels or (), self.output.blank
        if labels and self.output.shape != (len(labels),):
            raise ValueError(f"output.labels: {len(labels)} labels for the shape {self.output.shape}")
        if self.task not in (Task.FORECAST, Task.TENSOR):
            readout = Readout.LAST if self.task is Task.CLASSIFICATION else Readout.EVERY_STEP
            if not labels or self.output.readout is not readout:
                raise ValueError(f"output: {self.task} needs labels and the readout {readout}")
        if (blank is not None) != (self.task is Task.TRANSCRIPTION):
            raise ValueError("output.blank: given exactly when the task is transcription")
        if blank is not None and blank >= len(labels):
            raise ValueError(f"output.blank: {blank} is none of the {len(labels)} labels")
        if self.task is Task.NEXT_SYMBOL and self.step.symbols != labels:
            raise ValueError("step.symbols: where the task is next_symbol, the same as output.labels")
        return self

    @property
    def signature(self) -> Signature:
        """The part of the contract that the request path needs."""
        return Signature(
            step_datatype=self.step.datatype,
            step_shape=self.step.shape,
            output_shape=self.output.shape,
            readout=self.output.readout,
            states=tuple(StateSpec(s.input, s.output, s.shape) for s in self.states),
            symbol_count=len(self.step.symbols) if self.step.symbols else self.step.symbol_count,
        )


def read_manifest(folder: Path) -> Manifest:
    """Read a bundle's manifest; raises InvalidBundle naming the file and the field."""
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(read_file(path, _MOST_BYTES))
    except ValidationError as failure:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'manifest'}: {fault['msg']}" for fault in failure.errors()
        )
        raise InvalidBundle(f"{path}: {faults}") from failure
