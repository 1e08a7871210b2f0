"""How much a node makes out of nothing, where its size is written in the file.

What is told: sizes that are constants, also of an outer graph. What is not: sizes that the graph computes, be
it from constants alone, and those that follow from the inputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from service.errors import InvalidBundle
from service.repository.model_file.messages import Message

Numbers: TypeAlias = Sequence[int | float]
# A gigabyte of float32.
MAX_ELEMENTS = 1 << 28


def check_size(node: Message, title: str, constants: Mapping[str, Numbers]) -> None:
    """Raises InvalidBundle where the node alone makes more than `MAX_ELEMENTS` numbers, or less than none."""
    read = _SIZES.get(node.one("op_type", ""))
    if read is None:
        return
    place, elements_of = read
    given = [constants.get(name) for name in node.all("input")[place]]
    if not given or any(numbers is None for numbers in given):
        return
    try:
        elements = elements_of([numbers for numbers in given if numbers is not None])
    except (ValueError, OverflowError, ZeroDivisionError, IndexError):
        raise InvalidBundle(f"{title}: its size {given} is none") from None
    if elements > MAX_ELEMENTS:
        raise InvalidBundle(f"{title}: makes {elements:,} numbers: expected {MAX_ELEMENTS:,} at most")


def check_shape_attribute(node: Message, title: str) -> None:
    """The same for operators that are told their shape by an attribute."""
    if not node.one("op_type", "").startswith("Random"):
        return
    for attribute in node.all("attribute"):
        if attribute.one("name") == "shape" and _product([attribute.all("ints")]) > MAX_ELEMENTS:
            raise InvalidBundle(f"{title}: has the shape {attribute.all('ints')}: expected a smaller one")


def _product(given: list[Numbers]) -> int:
    extents = [int(extent) for extent in given[0]]
    if any(extent < 0 for extent in extents):
        raise ValueError("a negative extent")
    return math.prod(extents)


def _expanded(given: list[Numbers]) -> int:
    """ONNX Runtime takes -1 in Expand's shape for an extent that is kept."""
    return _product([[extent for extent in given[0] if extent != -1]])


def _steps(given: list[Numbers]) -> int:
    start, limit, delta = (numbers[0] for numbers in given)
    return max(0, math.ceil((limit - start) / delta))


def _largest(given: list[Numbers]) -> int:
    return int(max(map(abs, given[0]), default=0))


def _scaled(given: list[Numbers]) -> int:
    return math.ceil(math.prod(given[0]))


# Which inputs say the size, and how many numbers come of them at least.
_SIZES: dict[str, tuple[slice, Callable[[list[Numbers]], int]]] = {
    "ConstantOfShape": (slice(0, 1), _product),
    "Expand": (slice(1, 2), _expanded),
    "Tile": (slice(1, 2), _product),
    "Range": (slice(0, 3), _steps),
    "OneHot": (slice(1, 2), _largest),
    "Pad": (slice(1, 2), _largest),
    "Upsample": (slice(1, 2), _scaled),
    "Resize": (slice(2, 3), _scaled),
    "BlackmanWindow": (slice(0, 1), _largest),
    "HammingWindow": (slice(0, 1), _largest),
    "HannWindow": (slice(0, 1), _largest),
}
