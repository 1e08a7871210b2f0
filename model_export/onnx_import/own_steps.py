"""Nodes that keep an answer to a row's own steps: its last one, a mask over them, their reverse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper

from model_export.onnx_import.axes import BATCH, TIME, Axes, along, describe
from model_export.onnx_import.expression import Expression, Symbol
from model_export.onnx_import.refusal import Unfit
from model_export.onnx_import.regrouping import apart, regroup_data
from model_export.onnx_import.values import Data
from service.domain.signature import LENGTHS

if TYPE_CHECKING:
    from model_export.onnx_import.walk import Walk


def last_step(walk: Walk, data: Data, time: int, name: str) -> Data:
    """Each row at its own last step: the axes of `data` without the time axis `time`."""
    batch = _own_axes(walk, data.axes, time)[1]
    front = (time, batch)
    order = (*front, *(place for place in range(len(data.axes)) if place not in front))
    ahead = walk.transpose(data, order)
    graph = walk.graph
    place = graph.once("Sub", graph.once("Cast", LENGTHS, to=TensorProto.INT64), graph.vector(1))
    row = positions(walk, Symbol.BATCH)
    pairs = graph.once(
        "Concat", *(graph.once("Unsqueeze", each, graph.vector(1)) for each in (place, row)), axis=1
    )
    rows = Data(graph.node("GatherND", ahead.tensor, pairs, name=name), ahead.axes[1:], data.element)
    kept = [place for place in range(len(data.axes)) if place != time]
    turned = walk.transpose(rows, tuple(order[1:].index(place) for place in kept))
    return Data(turned.tensor, turned.axes, data.element, is_sorted=data.is_sorted)


def masked(walk: Walk, data: Data, time: int, neutral: float) -> Data:
    """`data` with `neutral` in place of every step past the row's own, along the time axis `time`."""
    if BATCH not in data.axes and BATCH in apart(data.axes):
        # Attention heads stand beside the batch on one axis: masked apart, and put together again.
        parts = regroup_data(walk, data, apart(data.axes), "")
        inner = masked(walk, parts, len(apart(data.axes[:time])), neutral)
        return regroup_data(walk, inner, data.axes, "")
    batch = _own_axes(walk, data.axes, time)[1]
    graph, rank = walk.graph, len(data.axes)
    steps, rows = along(rank, time), along(rank, batch)
    position = graph.once("Reshape", positions(walk, Symbol.TIME), graph.vector(*steps))
    length = graph.once("Reshape", graph.once("Cast", LENGTHS, to=TensorProto.INT64), graph.vector(*rows))
    mask = graph.once("Less", position, length)
    if data.element != TensorProto.FLOAT and neutral not in (0, 1):
        raise Unfit(
            f"pools {TensorProto.DataType.Name(data.element)} over time, where only FLOAT is supported"
        )
    value = np.array(neutral, dtype=helper.tensor_dtype_to_np_dtype(data.element))
    tensor = graph.node("Where", mask, data.tensor, graph.constant(value))
    return Data(tensor, data.axes, data.element, is_sorted=data.is_sorted)


def reversed_steps(walk: Walk, data: Data, time: int, name: str) -> Data:
    """Each row's own steps in reverse order; what pads it stays behind them."""
    front = _own_axes(walk, data.axes, time)
    order = (*front, *(place for place in range(len(data.axes)) if place not in front))
    ahead = walk.transpose(data, order)
    length = walk.graph.once("Cast", LENGTHS, to=TensorProto.INT64)
    tensor = walk.graph.node("ReverseSequence", ahead.tensor, length, time_axis=0, batch_axis=1, name=name)
    flipped = Data(tensor, ahead.axes, data.element, is_sorted=data.is_sorted)
    return walk.transpose(flipped, tuple(order.index(place) for place in range(len(order))))


def positions(walk: Walk, symbol: Symbol) -> str:
    """0, 1, 2, … along time or batch, int64."""
    graph = walk.graph
    count = graph.once("Reshape", graph.size(Expression.of(symbol)), graph.vector())
    return graph.once("Range", _number(walk, 0), count, _number(walk, 1))


def _number(walk: Walk, value: int) -> str:
    return walk.graph.once("Reshape", walk.graph.vector(value), walk.graph.vector())


def _own_axes(walk: Walk, axes: Axes, time: int) -> tuple[int, int]:
    batch = walk.place(axes, Symbol.BATCH)
    if batch is None or axes[time] != TIME:
        raise Unfit(f"needs time and batch as axes of their own, and has {describe(axes)}")
    return time, batch
