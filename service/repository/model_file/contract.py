"""That a graph's inputs and outputs are those its manifest promises."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

from service.domain.signature import LENGTHS, OUTPUT, SEQUENCE, Signature
from service.domain.tensors import Datatype
from service.errors import InvalidBundle
from service.repository.model_file.messages import Message
from service.repository.model_file.tensors import DOUBLE, FLOAT, INT32, INT64

# None is an extent that is free: the time and the batch.
Extents: TypeAlias = tuple[int | None, ...]

_ELEMENTS = {Datatype.FP32: FLOAT, Datatype.FP64: DOUBLE, Datatype.INT32: INT32, Datatype.INT64: INT64}
_MAX_ROW_ELEMENTS = 1 << 24
_MAX_RANK = 8


def check_contract(graph: Message, signature: Signature) -> None:
    """Raises InvalidBundle naming the input or output."""
    sequence = (None, None, *signature.step_shape)
    time = (None,) if signature.has_step_outputs else ()
    inputs = {SEQUENCE: (_ELEMENTS[signature.step_datatype], sequence), LENGTHS: (INT32, (None,))}
    outputs = {OUTPUT: (FLOAT, (*time, None, *signature.output_shape))}
    for state in signature.states:
        inputs[state.input] = outputs[state.output] = (FLOAT, (None, *state.shape))
    _check_all("input", graph.all("input"), inputs, is_given=False)
    _check_all("output", graph.all("output"), outputs, is_given=True)


def _check_all(
    part: str, values: Sequence[Message], due: dict[str, tuple[int, Extents]], *, is_given: bool
) -> None:
    found = [value.one("name", "") for value in values]
    if sorted(found) != sorted(due):
        raise InvalidBundle(f"{part}s: are {', '.join(found) or 'none'}: expected {', '.join(due)}")
    for value in values:
        element, extents = due[value.one("name")]
        title = f"{part} {value.one('name')!r}"
        _check_size(extents, title)
        _check_value(value, element, extents, title, is_given=is_given)


def _check_size(extents: Extents, title: str) -> None:
    sizes = [extent for extent in extents if extent is not None]
    if len(extents) > _MAX_RANK or math.prod(sizes) > _MAX_ROW_ELEMENTS:
        raise InvalidBundle(
            f"{title}: the manifest gives a row the shape {sizes}: "
            f"expected {_MAX_RANK} dimensions and {_MAX_ROW_ELEMENTS:,} numbers at most"
        )


def _check_value(value: Message, element: int, extents: Extents, title: str, *, is_given: bool) -> None:
    kind = value.one("type")
    tensor = kind.one("tensor_type") if kind else None
    if tensor is None or tensor.one("elem_type", 0) != element:
        found = tensor.one("elem_type", 0) if tensor else "none"
        raise InvalidBundle(f"{title}: has the element type {found}: expected {element}")
    if "shape" not in tensor:
        # What an output's shape is, the runtime finds; what may be fed must be said.
        if is_given:
            return
        raise InvalidBundle(f"{title}: has no shape: expected {_worded(extents)}")
    dims = tuple(extent.one("dim_value") for extent in tensor.one("shape").all("dim"))
    if len(dims) != len(extents) or any(map(_differs, dims, extents)):
        raise InvalidBundle(f"{title}: has the shape {_worded(dims)}: expected {_worded(extents)}")


def _differs(found: int | None, due: int | None) -> bool:
    """A free extent must be free; where one is due, the runtime finds it if the graph does not say it."""
    return found is not None and found != due


def _worded(extents: Extents) -> str:
    return f"[{', '.join('?' if extent is None else str(extent) for extent in extents)}]"
