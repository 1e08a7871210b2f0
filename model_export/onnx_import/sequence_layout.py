"""Which axes of the original's sequence can be time and batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

from onnx import TensorProto

from model_export.onnx_import.axes import Extents
from model_export.onnx_import.graph_inputs import GraphInput
from model_export.onnx_import.refusal import ImportRefused
from model_export.onnx_import.source_graph import RECURRENT, SourceGraph
from service.domain.tensors import Datatype, Shape

_DATATYPES = {
    int(TensorProto.FLOAT): Datatype.FP32,
    int(TensorProto.INT32): Datatype.INT32,
    int(TensorProto.INT64): Datatype.INT64,
}


@dataclass(frozen=True)
class SequenceLayout:
    """A reading of the sequence's axes."""

    time: int
    batch: int
    step: Shape
    fixed: tuple[int | None, int | None]

    @property
    def extents(self) -> Extents:
        return Extents(*self.fixed)

    @property
    def order(self) -> tuple[int, ...]:
        """Where each of the original's axes stands in `[time, batch, *step]`."""
        step = iter(range(2, 2 + len(self.step)))
        rank = 2 + len(self.step)
        return tuple(
            0 if axis == self.time else 1 if axis == self.batch else next(step) for axis in range(rank)
        )


def datatype_of(element: int) -> Datatype:
    """The element type of a sequence in the manifest's words."""
    return _DATATYPES[element]


def layouts(graph: SourceGraph, sequence: GraphInput) -> Iterator[SequenceLayout]:
    """Every reading, likeliest first; only one lets the recurrent nodes read time, batch and features."""
    if sequence.element not in _DATATYPES:
        kind = TensorProto.DataType.Name(sequence.element)
        raise ImportRefused(
            f"input {sequence.name}",
            f"holds {kind}; recurrent operators compute in FLOAT, and no cast is exact",
        )
    rank = len(sequence.dims)
    if rank < 2 or (rank == 2 and sequence.element == TensorProto.FLOAT):
        reason = f"has {rank} axes: time, batch and, for FLOAT, features are needed"
        raise ImportRefused(f"input {sequence.name}", reason)
    # Extents the file leaves open are time and batch before they are features.
    covered = min(2, sequence.dims.count(None))
    for time, batch in sorted(permutations(range(rank), 2), key=lambda pair: _is_unlikely(sequence, *pair)):
        if [sequence.dims[time], sequence.dims[batch]].count(None) < covered:
            continue
        step = [dim for axis, dim in enumerate(sequence.dims) if axis not in (time, batch)]
        for shape in _closed(graph, step):
            yield SequenceLayout(time, batch, shape, (sequence.dims[time], sequence.dims[batch]))


def _is_unlikely(sequence: GraphInput, time: int, batch: int) -> bool:
    """Whether the file's own names for the axes speak against a reading."""
    named_batch = {
        place for place, name in enumerate(sequence.dim_names) if name.lower().startswith(("b", "n"))
    }
    return (bool(named_batch) and batch not in named_batch) or time in named_batch


def _closed(graph: SourceGraph, step: list[int | None]) -> Iterator[Shape]:
    """The step's shape; an extent the file leaves open is tried as each size the weights suggest."""
    if None not in step:
        yield tuple(extent for extent in step if extent is not None)
        return
    if step.count(None) > 1:
        return
    for size in _suggested(graph):
        yield tuple(size if extent is None else extent for extent in step)


def _suggested(graph: SourceGraph) -> list[int]:
    names = [node.input[1] for node in graph.nodes if node.op_type in RECURRENT]
    sizes = [graph.constants[name].shape[-1] for name in names if name in graph.constants]
    matrices = [array.shape for array in graph.constants.values() if array.ndim == 2]
    return list(dict.fromkeys([*sizes, *(size for shape in matrices for size in shape)]))
