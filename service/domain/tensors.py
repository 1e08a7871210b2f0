"""Datatypes by their Open Inference Protocol names, and what they are in NumPy."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]


class Datatype(StrEnum):
    """An element type, named as the Open Inference Protocol names it."""

    FP32 = "FP32"
    FP64 = "FP64"
    INT32 = "INT32"
    INT64 = "INT64"

    @property
    def dtype(self) -> np.dtype[Any]:
        return _DTYPES[self]

    @property
    def is_floating(self) -> bool:
        return self.dtype.kind == "f"


_DTYPES: dict[Datatype, np.dtype[Any]] = {
    Datatype.FP32: np.dtype(np.float32),
    Datatype.FP64: np.dtype(np.float64),
    Datatype.INT32: np.dtype(np.int32),
    Datatype.INT64: np.dtype(np.int64),
}
