"""The answer's axes in the contract: `[time, batch, …]` for every step, `[batch, …]` for the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import TensorProto

from model_export.onnx_import.axes import BATCH, TIME, Axes, describe, extent, stored_extent
from model_export.onnx_import.expression import Symbol
from model_export.onnx_import.refusal import ImportRefused
from model_export.onnx_import.regrouping import apart, regroup_data
from model_export.onnx_import.values import Data, Value
from service.domain.signature import OUTPUT, Readout
from service.domain.tensors import Array
from service.repository.manifest import Output

if TYPE_CHECKING:
    from model_export.onnx_import.walk import Walk


def readable_answer(value: Value, name: str) -> Data:
    """The answer, where it has what the contract needs; else raises ImportRefused."""
    if not isinstance(value, Data) or value.element != TensorProto.FLOAT:
        raise ImportRefused(f"output {name}", "is no FLOAT tensor computed from the sequence")
    if value.is_sorted:
        raise ImportRefused(
            f"output {name}", "its rows stand in order of length, and the order is not undone"
        )
    symbols = _symbols(value.axes)
    if symbols.count(Symbol.BATCH) != 1 or symbols.count(Symbol.TIME) > 1:
        reason = f"has axes {describe(value.axes)}, where one batch and at most one time are needed"
        raise ImportRefused(f"output {name}", reason)
    return value


def publish_answer(walk: Walk, value: Data) -> Output:
    """Bring time and batch to the front, and name the output."""
    symbols = _symbols(value.axes)
    parts = regroup_data(walk, value, apart(value.axes), "")
    ahead = walk.transpose(parts, _to_front(parts.axes))
    shape = tuple(size for size in map(extent, ahead.axes[len(symbols) :]) if isinstance(size, int))
    readout = Readout.EVERY_STEP if Symbol.TIME in symbols else Readout.LAST
    leading = ["time", "batch"] if readout is Readout.EVERY_STEP else ["batch"]
    walk.graph.publish(ahead.tensor, OUTPUT, [*leading, *shape])
    return Output(shape=shape, readout=readout)


def _symbols(axes: Axes) -> list[Symbol]:
    return [atom for one in axes for atom in one if isinstance(atom, Symbol)]


def in_contract(array: Array, axes: Axes, time: int, batch: int) -> Array:
    """The original's output, moved to where the contract has it."""
    sizes = {TIME: time, BATCH: batch}
    parts = apart(axes)
    shape = [sizes.get(one, stored_extent(one)) for one in parts]
    return array.reshape(shape).transpose(_to_front(parts))


def _to_front(axes: Axes) -> tuple[int, ...]:
    front = [axes.index(one) for one in (TIME, BATCH) if one in axes]
    return (*front, *(place for place in range(len(axes)) if place not in front))
