"""Who asks, where callers have keys: what is theirs is not for others."""

from __future__ import annotations

from contextvars import ContextVar
from typing import NamedTuple


class Caller(NamedTuple):
    """The name of a key, and whether it may do what its holder likes with what is others'."""

    name: str
    is_admin: bool


# Of the request that runs in this context; None where nobody has a key.
_CALLER: ContextVar[Caller | None] = ContextVar("caller", default=None)


def now_asks(caller: Caller) -> None:
    """From here on this context works for this caller."""
    _CALLER.set(caller)


def owner() -> str | None:
    """Whose it is what is opened here; None for everybody's."""
    caller = _CALLER.get()
    return None if caller is None else caller.name


def may_see(owner: str | None) -> bool:
    """Whether what is this owner's is there for whoever asks."""
    caller = _CALLER.get()
    return owner is None or caller is None or caller.is_admin or caller.name == owner
