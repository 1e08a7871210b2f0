"""Constants that were written out for one number of rows or steps, and are the same for each of them."""

from __future__ import annotations

from model_export.onnx_import.axes import Axes, Extents, extent, is_features
from model_export.onnx_import.expression import Symbol
from model_export.onnx_import.values import Constant


def loosened(constant: Constant, beside: Axes, extents: Extents) -> Constant:
    """`constant` with time or batch for a fixed extent, where `beside` has it and all places agree."""
    array, axes = constant.array, list(constant.axes)
    for place, one in enumerate(axes):
        opposite = beside[place - len(axes)] if len(beside) >= len(axes) - place else ()
        size = extent(one)
        if not one or not is_features(one) or len(opposite) != 1 or not isinstance(size, int):
            continue
        symbol = opposite[0]
        if isinstance(symbol, Symbol) and (array == array.take([0], axis=place)).all():
            extents.bind(symbol, size)
            array, axes[place] = array.take([0], axis=place), opposite
    return Constant(array, tuple(axes))
