"""What a fake plan computes: its tensors, and their numbers."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from fakes import running_sum

from service.backends.onnxruntime_import import ort
from service.domain.signature import Signature
from service.domain.tensors import Array, Shape
from service.plans.profiles import Profiles


class DataType(enum.Enum):
    """TensorRT's names, NumPy's values."""

    FLOAT = "float32"
    HALF = "float16"
    INT32 = "int32"
    BOOL = "bool"


@dataclass(frozen=True)
class Tensor:
    is_input: bool
    dtype: DataType
    shape: Shape


class Model(Protocol):
    """What an engine computes: its tensors, with -1 for what varies, and its numbers."""

    tensors: dict[str, Tensor]

    def compute(self, feeds: dict[str, Array]) -> dict[str, Array]: ...


def sequence_tensors(signature: Signature) -> dict[str, Tensor]:
    """The tensors of the sequence graph."""
    step = DataType(signature.step_datatype.dtype.name)
    leading = (-1, -1) if signature.has_step_outputs else (-1,)
    tensors = {
        "sequence": Tensor(True, step, (-1, -1, *signature.step_shape)),
        "lengths": Tensor(True, DataType.INT32, (-1,)),
        "output": Tensor(False, DataType.FLOAT, (*leading, *signature.output_shape)),
    }
    for state in signature.states:
        tensors[state.input] = Tensor(True, DataType.FLOAT, (-1, *state.shape))
        tensors[state.output] = Tensor(False, DataType.FLOAT, (-1, *state.shape))
    return tensors


class RunningSumModel:
    """The model of the fake engine; NaN in the output past a row's length."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self.tensors = sequence_tensors(signature)

    def compute(self, feeds: dict[str, Array]) -> dict[str, Array]:
        sequence, lengths = feeds["sequence"], feeds["lengths"]
        output = np.full((len(sequence), len(lengths), 2), np.nan, np.float32)
        for row, steps in enumerate(lengths):
            output[:steps, row] = running_sum(sequence[:steps, row], feeds["sum_in"][row])
        last = np.stack([output[steps - 1, row] for row, steps in enumerate(lengths)])
        return {"output": output if self._signature.has_step_outputs else last, "sum_out": last}


class OnnxModel:
    """A bundle's graph, run by ONNX Runtime."""

    def __init__(self, path: Path, signature: Signature) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        axes = 2 if signature.has_step_outputs else 1
        self.tensors = sequence_tensors(signature)
        (output,) = (found for found in self._session.get_outputs() if found.name == "output")
        self.tensors["output"] = Tensor(False, DataType.FLOAT, (*[-1] * axes, *output.shape[axes:]))

    def compute(self, feeds: dict[str, Array]) -> dict[str, Array]:
        names = [name for name, tensor in self.tensors.items() if not tensor.is_input]
        return dict(zip(names, self._session.run(names, feeds), strict=True))


@dataclass
class Plan:
    model: Model
    profiles: Profiles
