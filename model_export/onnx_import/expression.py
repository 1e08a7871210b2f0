"""Whole numbers that are known only when the graph runs: polynomials in the sizes and places of a batch."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from math import prod
from typing import TypeAlias

from model_export.onnx_import.refusal import Unfit


class Symbol(StrEnum):
    """What a number can depend on."""

    TIME = "time"  # padded steps of the batch
    BATCH = "batch"  # rows of the batch
    LENGTH = "length"  # a row's own steps, 1 to TIME
    ROW = "row"  # a row's place, 0 to BATCH - 1
    POSITION = "position"  # a step's place, 0 to LENGTH - 1 where it counts


Monomial: TypeAlias = tuple[Symbol, ...]

_LEAST = {Symbol.TIME: 1, Symbol.BATCH: 1, Symbol.LENGTH: 1, Symbol.ROW: 0, Symbol.POSITION: 0}


@dataclass(frozen=True)
class Expression:
    """A sum of terms, each a coefficient times symbols; equal expressions have equal terms."""

    terms: frozenset[tuple[Monomial, int]]

    @staticmethod
    def of(value: object) -> Expression:
        """A symbol or a whole number as an expression."""
        if isinstance(value, Expression):
            return value
        if isinstance(value, Symbol):
            return Expression(frozenset({((value,), 1)}))
        whole = int(value)  # type: ignore[call-overload]
        return Expression(frozenset({((), whole)}) if whole else frozenset())

    @property
    def symbols(self) -> frozenset[Symbol]:
        return frozenset(symbol for monomial, _ in self.terms for symbol in monomial)

    @property
    def whole(self) -> int | None:
        """The number itself, where no symbol is left."""
        return None if self.symbols else sum(coefficient for _, coefficient in self.terms)

    def __add__(self, other: object) -> Expression:
        return _sum([*self.terms, *Expression.of(other).terms])

    def __mul__(self, other: object) -> Expression:
        pairs = product(self.terms, Expression.of(other).terms)
        return _sum([(tuple(sorted(a + b)), n * m) for (a, n), (b, m) in pairs])

    def __neg__(self) -> Expression:
        return self * -1

    def __sub__(self, other: object) -> Expression:
        return self + -Expression.of(other)

    def __rsub__(self, other: object) -> Expression:
        return Expression.of(other) - self

    __radd__ = __add__
    __rmul__ = __mul__

    def __floordiv__(self, other: object) -> Expression:
        divisor = Expression.of(other).whole
        if not divisor or any(coefficient % divisor for _, coefficient in self.terms):
            raise Unfit("divides a size of the batch, and the rest may not be zero")
        return _sum([(monomial, coefficient // divisor) for monomial, coefficient in self.terms])

    __truediv__ = __floordiv__

    @property
    def least(self) -> int | None:
        """A number it is never below in any batch, at any step that counts; None where none is known."""
        bounded = self
        for symbol, highest in _HIGHEST.items():
            slope = sum(coefficient for monomial, coefficient in bounded.terms if monomial == (symbol,))
            if slope < 0:
                bounded += (highest - Expression.of(symbol)) * slope
        if any(monomial and coefficient < 0 for monomial, coefficient in bounded.terms):
            return None
        return sum(
            coefficient * prod(_LEAST[symbol] for symbol in monomial)
            for monomial, coefficient in bounded.terms
        )


def _sum(terms: list[tuple[Monomial, int]]) -> Expression:
    totals: Counter[Monomial] = Counter()
    for monomial, coefficient in terms:
        totals[monomial] += coefficient
    return Expression(frozenset((monomial, total) for monomial, total in totals.items() if total))


# In this order: a position's bound is a length, whose own bound is the time.
_HIGHEST = {
    Symbol.POSITION: Expression.of(Symbol.LENGTH) - 1,
    Symbol.ROW: Expression.of(Symbol.BATCH) - 1,
    Symbol.LENGTH: Expression.of(Symbol.TIME),
}


def compare(operator: str, left: object, right: object) -> bool | None:
    """The verdict of a comparison that is the same for every batch; None where batches differ."""
    difference = Expression.of(left) - Expression.of(right)
    if operator in ("Greater", "LessOrEqual"):
        verdict = compare("Less", right, left)
        return verdict if verdict is None or operator == "Greater" else not verdict
    below, above = (-difference).least, difference.least
    if operator == "Equal":
        if not difference.terms:
            return True
        return False if (below or 0) > 0 or (above or 0) > 0 else None
    is_less = True if (below or 0) > 0 else False if above is not None and above >= 0 else None
    return is_less if operator == "Less" or is_less is None else not is_less
