"""One step picked from a sequence by its place: the last, or the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from model_export.onnx_import.axes import TIME, describe
from model_export.onnx_import.expression import Expression, Symbol
from model_export.onnx_import.own_steps import last_step
from model_export.onnx_import.refusal import Unfit
from model_export.onnx_import.values import Data

if TYPE_CHECKING:
    from model_export.onnx_import.walk import Walk


def pick_step(walk: Walk, value: Data, place: int, wanted: Expression, name: str) -> Data:
    """`value` without its time axis `place`; raises Unfit for any step but the first and the last."""
    if value.axes[place] != TIME:
        raise Unfit(f"selects from {describe((value.axes[place],))} by a fixed place")
    known = walk.extents.time
    at_end = (Expression.of(-1), Expression.of(Symbol.TIME) - 1)
    if wanted in at_end or (known is not None and wanted.whole == known - 1):
        walk.note(f"{name}: the last step is each row's own last step")
        return last_step(walk, value, place, name)
    if wanted.whole != 0:
        raise Unfit("selects a step by its place; only the first and the last are there in every sequence")
    walk.look_ahead("its first step is used")
    zero = walk.graph.constant(np.array(0, dtype=np.int64))
    tensor = walk.graph.node("Gather", value.tensor, zero, axis=place, name=name)
    return walk.result(tensor, (*value.axes[:place], *value.axes[place + 1 :]), [value])
