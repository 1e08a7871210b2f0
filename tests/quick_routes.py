"""What FastAPI makes of an endpoint, made once: tests make hundreds of applications with the same endpoints.

It takes twenty milliseconds an application, most of them for types that it has seen before.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import cache
from types import CodeType
from typing import Any

from fastapi import routing
from fastapi.dependencies.models import Dependant


@cache
def remember_endpoints() -> None:
    """In this process, from now on; an application made after that answers as any other does."""
    makers = {
        "get_dependant": _Dependants,
        "get_typed_return_annotation": _by_code,
        "create_model_field": _by_type,
    }
    for name, remembering in makers.items():
        # FastAPI's own names: where it no longer has one, it takes its time.
        if (make := getattr(routing, name, None)) is not None:
            setattr(routing, name, remembering(make))


def _by_type(make: Callable[..., Any]) -> Callable[..., Any]:
    """Fields are only read, once they are made."""
    known = cache(make)

    def field(**given: Any) -> Any:
        try:
            return known(**given)
        except TypeError:
            # A type that has no hash.
            return make(**given)

    return field


def _by_code(told_of: Callable[[Any], Any]) -> Callable[[Any], Any]:
    known: dict[CodeType, Any] = {}

    def remembered(call: Any) -> Any:
        if call.__code__ not in known:
            known[call.__code__] = told_of(call)
        return known[call.__code__]

    return remembered


class _Dependants:
    """An endpoint's parameters, known by the endpoint's code where that says all there is to them."""

    def __init__(self, make: Any) -> None:
        self._make = make
        self._known: dict[Any, Dependant] = {}

    def __call__(self, *, call: Any, **given: Any) -> Dependant:
        if call.__defaults__ or call.__kwdefaults__:
            # Made anew for each application.
            return self._make(call=call, **given)
        key = (call.__code__, *sorted(given.items()))
        if key not in self._known:
            self._known[key] = self._make(call=call, **given)
            # It would keep its application.
            self._known[key].call = None
        mine = copy(self._known[key])
        mine.call, mine.dependencies = call, [*mine.dependencies]
        return mine
