"""Goes through someone else's graph node by node and writes the same computation in the contract's form."""

from __future__ import annotations

from collections.abc import Iterable

import onnx

from model_export.onnx_import.axes import BATCH, TIME, Axes, Extents, extent, is_features
from model_export.onnx_import.call import Call
from model_export.onnx_import.expression import Expression, Symbol
from model_export.onnx_import.folding import evaluate, is_foldable
from model_export.onnx_import.mixing import common_order, data_among, note_steps_that_mix
from model_export.onnx_import.operators import OPERATORS, STRUCTURAL
from model_export.onnx_import.recurrent_cell import RecurrentCell
from model_export.onnx_import.refusal import Unfit
from model_export.onnx_import.sequence_graph import SequenceGraph
from model_export.onnx_import.source_graph import LOOPS, label
from model_export.onnx_import.values import Constant, Data, StatePart, Value, plain
from service.repository.manifest import State


class Walk:
    """The state of one import: what every tensor is, and the new graph so far.

    `has_states`: forward layers get states of their own. Where the walk finds that the model looks
    ahead (`ahead` says how), it has to be done again without.
    """

    def __init__(
        self,
        graph: SequenceGraph,
        values: dict[str, Value],
        extents: Extents,
        recurrent_count: int,
        has_states: bool,
    ) -> None:
        self.graph = graph
        self.values = values
        self.extents = extents
        self.recurrent_count = recurrent_count
        self.recurrent_seen = 0
        self.has_states = has_states
        self.states: list[State] = []
        self.state_cells: dict[str, list[RecurrentCell]] = {}
        self.notes: dict[str, None] = {}
        self.ahead: dict[str, None] = {}
        self.symbol_count: int | None = None
        self.uses_lengths = False
        self.visited = 0

    def run(self, nodes: Iterable[onnx.NodeProto]) -> None:
        """Visit nodes in order; raises ImportRefused with the name of the first that cannot be made exact."""
        for node in nodes:
            try:
                self._visit(node)
            except Unfit as unfit:
                raise unfit.refusal(label(node), f"{node.op_type} {unfit}") from unfit
            self.visited += 1

    def _visit(self, node: onnx.NodeProto) -> None:
        missing = [name for name in node.input if name and name not in self.values]
        if missing:
            raise Unfit(f"reads {missing[0]!r}, which nothing before it computes")
        call = Call(node, [self.values[name] if name else None for name in node.input], label(node))
        self.values.update(zip(node.output, self._results(call), strict=False))

    def _results(self, call: Call) -> list[Value]:
        if call.inputs and call.is_plain and is_foldable(call.node):
            return list(map(plain, evaluate(call.node, call.arrays, self.graph.opset)))
        handler = OPERATORS.get(call.operator) if call.node.domain in ("", "ai.onnx") else None
        if call.operator in LOOPS:
            raise Unfit("is a loop; only LSTM, GRU and RNN nodes can be given lengths and states")
        if handler is None:
            raise Unfit("is not known to act on each step of each row by itself")
        part = next((value for value in call.inputs if isinstance(value, StatePart)), None)
        if part is not None and call.operator in STRUCTURAL and call.is_of_states:
            return [StatePart(part.input)] * call.outputs
        return handler(self, call)

    def note(self, text: str) -> None:
        self.notes[text] = None

    def look_ahead(self, reason: str) -> None:
        """Say that an answer depends on steps after it, or on where the sequence was cut."""
        self.ahead[reason] = None

    def tensor(self, value: Value | None, inside: Axes = ()) -> str:
        """The value's name in the new graph.

        A constant is repeated along time and batch, except on axes that another operand of the
        broadcast, of axes `inside`, has as well.
        """
        if value is None:
            return ""
        if isinstance(value, Data):
            return value.tensor
        if not isinstance(value, Constant):
            raise Unfit("uses a state, or an order of rows, as data")
        if value.array.dtype == object:
            return self._sizes(value)
        name = self.graph.constant(value.array)
        shared = inside[len(inside) - len(value.axes) :] if len(inside) >= len(value.axes) else ()
        if all(map(is_features, value.axes)) or value.axes == shared:
            return name
        return self.graph.node("Expand", name, self.graph.sizes([extent(one) for one in value.axes]))

    def _sizes(self, value: Constant) -> str:
        if value.array.ndim > 1 or not all(map(is_features, value.axes)):
            raise Unfit("uses the number of steps or rows of the padded batch as data")
        vector = self.graph.sizes([_known(Expression.of(entry)) for entry in value.array.flat])
        return vector if value.array.ndim else self.graph.node("Reshape", vector, self.graph.vector())

    def result(
        self, tensor: str, axes: Axes, sources: Iterable[Value | None], element: int | None = None
    ) -> Data:
        """A tensor computed from `sources`; raises Unfit where rows mix, and sees where steps do."""
        data = data_among(sources)
        note_steps_that_mix(self, axes, data)
        return Data(tensor, axes, element or data[0].element, is_sorted=common_order(data))

    def transpose(self, data: Data, order: tuple[int, ...], name: str = "") -> Data:
        """`data` with its axes in this order; a transpose of a transpose is written as one, or none."""
        base, seen = data.turned or (data, tuple(range(len(data.axes))))
        composed = tuple(seen[place] for place in order)
        if composed == tuple(range(len(composed))):
            return base
        tensor = self.graph.node("Transpose", base.tensor, perm=list(composed), name=name)
        axes = tuple(data.axes[place] for place in order)
        return Data(tensor, axes, data.element, data.index, (base, composed), data.is_sorted)

    def place(self, axes: Axes, symbol: Symbol) -> int | None:
        """Which axis is time, or batch, alone; None where it is no axis of its own."""
        wanted = TIME if symbol is Symbol.TIME else BATCH
        return axes.index(wanted) if wanted in axes else None


def _known(entry: Expression) -> int | Expression:
    whole = entry.whole
    return entry if whole is None else whole
