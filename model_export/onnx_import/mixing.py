"""Whether a result mixes rows, which is refused, or steps, which costs a model its states."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from model_export.onnx_import.axes import Axes, describe
from model_export.onnx_import.expression import Symbol
from model_export.onnx_import.refusal import Unfit
from model_export.onnx_import.values import Constant, Data, Value

if TYPE_CHECKING:
    from model_export.onnx_import.walk import Walk


def data_among(sources: Iterable[Value | None]) -> list[Data]:
    """The sources computed per batch; raises Unfit where the batch's own size would become data."""
    data = []
    for source in sources:
        if isinstance(source, Constant) and source.array.dtype == object:
            raise Unfit("uses the number of steps or rows of the padded batch as data")
        if isinstance(source, Data):
            data.append(source)
    if not data:
        raise Unfit("computes with constants that are repeated for each row")
    return data


def note_steps_that_mix(walk: Walk, axes: Axes, sources: list[Data]) -> None:
    """Tell the walk what a result of these axes knows of other steps; raises Unfit for other rows."""
    for source in sources:
        symbols = source.index.symbols if source.index else frozenset()
        if Symbol.ROW in symbols:
            raise Unfit("uses a row's place in the batch as data")
        if symbols:
            walk.look_ahead("a sequence's length or a step's position is used as data")
    if _count(axes, Symbol.BATCH) > 1:
        raise Unfit(f"combines rows with each other: {describe(axes)}")
    if _count(axes, Symbol.TIME) > 1:
        walk.look_ahead("steps are compared with each other")
    if _count(axes, Symbol.TIME) and not all(_count(source.axes, Symbol.TIME) for source in sources):
        walk.look_ahead("something known only at a sequence's end is used at each of its steps")


def common_order(sources: list[Data]) -> bool:
    """Whether rows stand in order of their length; all sources that have rows must agree."""
    orders = {source.is_sorted for source in sources if _count(source.axes, Symbol.BATCH)}
    if len(orders) > 1:
        raise Unfit("combines rows in order of length with rows in their own order")
    return orders.pop() if orders else False


def _count(axes: Axes, symbol: Symbol) -> int:
    return sum(one.count(symbol) for one in axes)
