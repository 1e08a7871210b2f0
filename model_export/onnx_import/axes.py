"""What each axis of a tensor is: time, batch, features, or a product of them in row-major order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from model_export.onnx_import.expression import Expression, Symbol
from model_export.onnx_import.refusal import Unfit

Axis: TypeAlias = tuple[Symbol | int, ...]
Axes: TypeAlias = tuple[Axis, ...]
Extent: TypeAlias = int | Expression

TIME: Axis = (Symbol.TIME,)
BATCH: Axis = (Symbol.BATCH,)


@dataclass
class Extents:
    """The sizes of time and batch that the file itself fixes; None where it leaves them open."""

    time: int | None = None
    batch: int | None = None

    def of(self, symbol: Symbol) -> int | None:
        return self.time if symbol is Symbol.TIME else self.batch

    def bind(self, symbol: Symbol, size: int) -> None:
        """Fix a size; raises Unfit where the file fixes it differently elsewhere."""
        known = self.of(symbol)
        if known not in (None, size):
            raise Unfit(f"fixes {symbol} to {size}, and the model fixes it to {known} elsewhere")
        if symbol is Symbol.TIME:
            self.time = size
        else:
            self.batch = size


def axis(*atoms: Symbol | int) -> Axis:
    """The axis of these factors; neighbouring numbers become one, and ones vanish."""
    merged: list[Symbol | int] = []
    for atom in atoms:
        if isinstance(atom, Symbol):
            merged.append(atom)
        elif merged and not isinstance(merged[-1], Symbol):
            merged[-1] *= atom
        elif atom != 1:
            merged.append(atom)
    return tuple(merged)


def extent(one: Axis) -> Extent:
    """An axis's size: a number, or an expression of time and batch."""
    total: Extent = 1
    for atom in one:
        total = total * (Expression.of(atom) if isinstance(atom, Symbol) else atom)
    return total


def stored_extent(one: Axis) -> int:
    """How many places a constant stores along an axis: one where it repeats for each step or row."""
    size = extent(one)
    return size if isinstance(size, int) else 1


def axis_of(size: Extent) -> Axis:
    """The axis with this size, as a new tensor filled with constants has it."""
    if isinstance(size, int):
        return axis(size)
    if len(size.terms) != 1:
        raise Unfit("makes an axis whose size is a sum of sizes")
    ((monomial, coefficient),) = size.terms
    return axis(*monomial, coefficient)


def is_features(one: Axis) -> bool:
    return not any(isinstance(atom, Symbol) for atom in one)


def along(rank: int, place: int) -> tuple[int, ...]:
    """A Reshape target that lays a vector along one of `rank` axes."""
    return tuple(-1 if here == place else 1 for here in range(rank))


def describe(axes: Axes) -> str:
    """`[time, batch, 5]`, for notes and refusals."""
    return "[" + ", ".join("*".join(map(str, one)) or "1" for one in axes) + "]"


def broadcast(*shapes: Axes) -> Axes:
    """The axes of an elementwise result; raises Unfit where time, batch and features would meet."""
    rank = max(map(len, shapes))
    result: list[Axis] = []
    for position in range(rank):
        column = [shape[position - rank + len(shape)] for shape in shapes if position >= rank - len(shape)]
        kinds = {one for one in column if one}
        if len(kinds) > 1:
            raise Unfit(
                f"meets {' with '.join(sorted(map(describe, ((one,) for one in kinds))))} on one axis"
            )
        result.append(kinds.pop() if kinds else ())
    return tuple(result)
