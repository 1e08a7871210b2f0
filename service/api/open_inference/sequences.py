"""From named input tensors to sequences: rows of different length travel padded, with their lengths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from service.domain.signature import LENGTHS, SEQUENCE, Signature
from service.domain.tensors import Array
from service.errors import InvalidRequest

INPUTS = frozenset({SEQUENCE, LENGTHS})


def check_input_names(names: Iterable[Any]) -> None:
    """Raises InvalidRequest where an input is missing, unknown or given twice."""
    if names == [SEQUENCE]:
        return
    given = [str(name) for name in names]
    if len(set(given)) != len(given):
        raise InvalidRequest("inputs: every input is given once")
    if unknown := set(given) - INPUTS:
        raise InvalidRequest(
            f"inputs: unknown input {', '.join(sorted(unknown))}, known are {SEQUENCE}, {LENGTHS}"
        )
    if SEQUENCE not in given:
        raise InvalidRequest(f"inputs: {SEQUENCE} is missing")


def sequences_from(inputs: Mapping[str, Array], signature: Signature) -> list[Array]:
    """Each row of `sequence [batch, time, *step]`, up to its entry in `lengths` (`[batch]` or `[batch, 1]`).

    The names are those that `check_input_names` let through.
    """
    padded = inputs[SEQUENCE]
    if padded.ndim != 2 + len(signature.step_shape):
        wanted = ", ".join(["batch", "time", *map(str, signature.step_shape)])
        raise InvalidRequest(f"{SEQUENCE}: expected shape [{wanted}], got {list(padded.shape)}")
    lengths = inputs.get(LENGTHS)
    if lengths is None:
        return list(padded)
    _check_lengths(lengths, padded)
    return [row[:length] for row, length in zip(padded, lengths.reshape(-1).tolist(), strict=True)]


def _check_lengths(lengths: Array, padded: Array) -> None:
    rows = len(padded)
    if lengths.shape not in ((rows,), (rows, 1)) or lengths.dtype.kind not in "iu":
        raise InvalidRequest(f"{LENGTHS}: expected {rows} whole numbers, one per row of {SEQUENCE}")
    if lengths.size and (lengths.min() < 1 or lengths.max() > padded.shape[1]):
        raise InvalidRequest(
            f"{LENGTHS}: expected 1 to {padded.shape[1]}, got {lengths.min()} to {lengths.max()}"
        )
