"""How each ONNX operator is carried over; an operator that is not here is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from model_export.onnx_import.operators import (
    branches,
    constants,
    convolution,
    elementwise,
    gather,
    layout,
    matmul,
    normalisation,
    pieces,
    recurrent,
    reductions,
    reversal,
    selection,
    slices,
)
from model_export.onnx_import.values import Value

if TYPE_CHECKING:
    from model_export.onnx_import.call import Call
    from model_export.onnx_import.walk import Walk

Handler: TypeAlias = Callable[["Walk", "Call"], list[Value]]

# A state passes through these unchanged in meaning: zeros in, zeros out.
STRUCTURAL = frozenset(
    {"Cast", "Concat", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split"}
    | {"Squeeze", "Transpose", "Unsqueeze"}
)

OPERATORS: Mapping[str, Handler] = MappingProxyType(
    {
        **branches.HANDLERS,
        **constants.HANDLERS,
        **convolution.HANDLERS,
        **elementwise.HANDLERS,
        **gather.HANDLERS,
        **layout.HANDLERS,
        **matmul.HANDLERS,
        **normalisation.HANDLERS,
        **pieces.HANDLERS,
        **recurrent.HANDLERS,
        **reductions.HANDLERS,
        **reversal.HANDLERS,
        **selection.HANDLERS,
        **slices.HANDLERS,
    }
)
