"""Computing what is known beforehand: constants by ONNX Runtime, sizes of the batch by arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from model_export.onnx_import.expression import Expression, compare
from model_export.onnx_import.refusal import Unfit
from service.domain.tensors import Array

_DRAWN = frozenset({"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform"})
_FATAL = 4
_IR_VERSION = 10


def is_foldable(node: onnx.NodeProto) -> bool:
    """Whether constants in give constants out."""
    has_subgraph = any(entry.HasField("g") for entry in node.attribute)
    return node.domain in ("", "ai.onnx") and node.op_type not in _DRAWN and not has_subgraph


def evaluate(node: onnx.NodeProto, inputs: list[Array | None], opset: int) -> list[Array]:
    """Run one node on NumPy arrays; raises Unfit where ONNX Runtime cannot."""
    feeds = {name: array for name, array in zip(node.input, inputs, strict=True) if array is not None}
    kinds = {name: helper.np_dtype_to_tensor_dtype(array.dtype) for name, array in feeds.items()}
    graph = helper.make_graph(
        [node],
        "constant",
        [helper.make_tensor_value_info(name, kind, feeds[name].shape) for name, kind in kinds.items()],
        [onnx.ValueInfoProto(name=name) for name in node.output if name],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=_IR_VERSION)
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = 1
    try:
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        computed = iter(session.run(None, feeds))
    except Exception as failure:
        raise Unfit(f"on constants cannot be computed: {failure}") from failure
    return [np.asarray(next(computed)) if name else np.empty(0) for name in node.output]


def evaluate_sizes(operator: str, inputs: list[Array], attributes: Mapping[str, Any]) -> Array:
    """An elementwise operator on arrays of which some hold sizes of the batch."""
    if operator == "Cast" and attributes["to"] == TensorProto.BOOL:
        raise Unfit("makes a truth value of a size of the batch")
    if operator not in _ON_SIZES:
        raise Unfit("uses the number of steps or rows of the padded batch as data")
    return _ON_SIZES[operator](*inputs)


def _comparison(operator: str) -> Callable[[Array, Array], Array]:
    def decide(left: object, right: object) -> bool:
        verdict = compare(operator, left, right)
        if verdict is None:
            raise Unfit("compares sizes of the batch, and the answer differs from batch to batch")
        return verdict

    def compared(left: Array, right: Array) -> Array:
        return np.asarray(np.vectorize(decide, otypes=[bool])(left, right))

    return compared


def _chosen(which: Array, left: Array, right: Array) -> Array:
    return np.asarray(np.where(which, left, right), dtype=object)


def _quotient(left: Array, right: Array) -> Array:
    objects = np.vectorize(Expression.of, otypes=[object])
    return np.asarray(objects(left) // objects(right), dtype=object)


_ON_SIZES: Mapping[str, Callable[..., Array]] = MappingProxyType(
    {
        "Add": lambda left, right: np.asarray(left + right, dtype=object),
        "Sub": lambda left, right: np.asarray(left - right, dtype=object),
        "Mul": lambda left, right: np.asarray(left * right, dtype=object),
        "Div": _quotient,
        "Cast": lambda array: array,
        "Identity": lambda array: array,
        "Where": _chosen,
        **{name: _comparison(name) for name in ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")},
    }
)
