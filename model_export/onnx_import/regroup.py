"""Reshape: which axes come out when the same numbers, in the same order, are grouped anew."""

from __future__ import annotations

from model_export.onnx_import.axes import Axes, Axis, Extent, Extents, axis, describe
from model_export.onnx_import.expression import Symbol
from model_export.onnx_import.refusal import Unfit

Atoms = list[Symbol | int]


def regroup(source: Axes, target: list[Extent], extents: Extents) -> Axes:
    """The axes after reshaping `source` to `target` (at most one -1).

    Time and batch stay whole: where a number in `target` stands for one of them, its size is bound
    in `extents`. Raises Unfit where the grouping would cut through time or batch.
    """
    atoms: Atoms = [atom for one in source for atom in one]
    wildcard = next((place for place, size in enumerate(target) if size == -1), None)
    front = target[:wildcard]
    back = [] if wildcard is None else target[wildcard + 1 :]
    leading = [_take(atoms, size, extents, 0) for size in front]
    trailing = [_take(atoms, size, extents, -1) for size in reversed(back)][::-1]
    middle = [axis(*atoms)] if wildcard is not None else []
    if wildcard is None and any(isinstance(atom, Symbol) or atom != 1 for atom in atoms):
        raise Unfit(f"drops {describe((tuple(atoms),))} of {describe(source)}")
    return (*leading, *middle, *trailing)


def _take(atoms: Atoms, size: Extent, extents: Extents, end: int) -> Axis:
    """Remove the factors of `size` from one end of `atoms`, and return them as an axis."""
    if isinstance(size, int):
        return _take_number(atoms, size, extents, end)
    if len(size.terms) != 1:
        raise Unfit("reshapes to a size that is a sum of sizes")
    ((monomial, coefficient),) = size.terms
    wanted, taken = list(monomial), Atoms()
    while wanted or coefficient != 1:
        atom = atoms[end] if atoms else 1
        if isinstance(atom, Symbol) and atom in wanted:
            wanted.remove(atom)
            taken.append(atoms.pop(end))
        elif not isinstance(atom, Symbol) and coefficient != 1 and atoms:
            piece = _split(atoms, coefficient, end)
            coefficient //= piece
            taken.append(piece)
        else:
            raise Unfit("regroups time, batch and features so that they mix")
    return _ordered(taken, end)


def _take_number(atoms: Atoms, size: int, extents: Extents, end: int) -> Axis:
    taken, rest = Atoms(), size
    outermost = atoms[end] if atoms else 1
    if size == 1 and isinstance(outermost, Symbol) and extents.of(outermost) == 1:
        return axis(atoms.pop(end))
    while rest != 1:
        atom = atoms[end] if atoms else 1
        if isinstance(atom, Symbol):
            known = extents.of(atom)
            if known is None and rest == size:
                # The file leaves the size open, and was written for this one.
                extents.bind(atom, size)
                known = size
            if known is None or rest % known:
                raise Unfit(f"regroups {atom} so that it mixes with other axes")
            rest //= known
            taken.append(atoms.pop(end))
        elif atoms:
            piece = _split(atoms, rest, end)
            rest //= piece
            taken.append(piece)
        else:
            raise Unfit(f"reshapes to {size} where {size // rest} is left")
    return _ordered(taken, end)


def _split(atoms: Atoms, wanted: int, end: int) -> int:
    """Take as much of the number at one end as `wanted` holds: all of it, or a divisor that is `wanted`."""
    whole = int(atoms[end])
    if wanted % whole == 0:
        atoms.pop(end)
        return whole
    if whole % wanted == 0:
        atoms[end] = whole // wanted
        return wanted
    raise Unfit(f"regroups {whole} features by {wanted}")


def _ordered(taken: Atoms, end: int) -> Axis:
    return axis(*(taken if end == 0 else reversed(taken)))
