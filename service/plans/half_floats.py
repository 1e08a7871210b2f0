"""The two half-precision types: their names in ONNX, and weights rounded to them."""

from __future__ import annotations

from typing import Final

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from service.domain.tensors import Array
from service.plans.plan import Precision
from service.plans.refusal import PlanRefused

ELEMENTS: Final = {Precision.FP16: TensorProto.FLOAT16, Precision.BF16: TensorProto.BFLOAT16}
_DTYPES: Final = {Precision.FP16: np.dtype(np.float16), Precision.BF16: np.dtype(ml_dtypes.bfloat16)}
_LARGEST: Final = {Precision.FP16: 65504.0, Precision.BF16: 3.3895e38}


def weights_in_half(tensor: onnx.TensorProto, name: str, precision: Precision) -> Array:
    """The weights, rounded; raises PlanRefused, naming them, where a finite one is beyond the type."""
    array = numpy_helper.to_array(tensor)
    largest = np.abs(array[np.isfinite(array)]).max(initial=0)
    if largest > _LARGEST[precision]:
        raise PlanRefused(f"{name}: holds {largest:g}, which is beyond {precision}; expected fp32")
    return array.astype(_DTYPES[precision])
