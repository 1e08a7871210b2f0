"""One ILoop: how often it turns, what goes round in it, and what leaves it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from network_interpreter.arrays import Array, UnknownLayer

LOOP_LAYERS = {"ITERATOR", "LOOP_OUTPUT", "RECURRENCE", "TRIP_LIMIT"}


@dataclass
class Loop:
    """The boundary layers of a loop, by the name of what they put out."""

    limit: str = ""
    recurrences: dict[str, Any] = field(default_factory=dict)
    iterators: dict[str, Any] = field(default_factory=dict)
    ends: dict[str, Any] = field(default_factory=dict)

    @property
    def boundary(self) -> list[str]:
        """Every tensor that must be there before the loop turns, or in its last turn."""
        states = [layer.get_input(slot).name for layer in self.recurrences.values() for slot in (0, 1)]
        others = [*self.iterators.values(), *self.ends.values()]
        return [self.limit, *states, *(layer.get_input(0).name for layer in others)]

    @property
    def collecting(self) -> list[str]:
        return [name for name, layer in self.ends.items() if layer.kind.name != "LAST_VALUE"]

    def source(self, end: str) -> str:
        return str(self.ends[end].get_input(0).name)

    def turns(self, values: dict[str, Array]) -> int:
        return int(values[self.limit])

    def first_state(self, values: dict[str, Array]) -> dict[str, Array]:
        return {name: values[layer.get_input(0).name] for name, layer in self.recurrences.items()}

    def next_state(self, inner: dict[str, Array]) -> dict[str, Array]:
        return {name: inner[layer.get_input(1).name] for name, layer in self.recurrences.items()}

    def picked(self, values: dict[str, Array], turn: int) -> dict[str, Array]:
        """What the iterators read in one turn."""
        return {
            name: np.take(values[layer.get_input(0).name], -1 - turn if layer.reverse else turn, layer.axis)
            for name, layer in self.iterators.items()
        }

    def results(self, state: dict[str, Array], collected: dict[str, list[Array]]) -> dict[str, Array]:
        """What leaves the loop: last values of states, and values of every turn along an axis."""
        results = {name: state[self.source(name)] for name in self.ends if name not in collected}
        for name, found in collected.items():
            layer = self.ends[name]
            in_order = found[::-1] if layer.kind.name == "REVERSE" else found
            results[name] = np.stack(in_order, layer.axis)
        return results


def loops_of(layers: dict[str, tuple[str, Any]]) -> dict[str, Loop]:
    """The network's loops by name; raises UnknownLayer for one that ends by a condition."""
    loops: dict[str, Loop] = {}
    for key, (kind, layer) in layers.items():
        if kind in LOOP_LAYERS:
            _take(loops.setdefault(layer.loop.name, Loop()), key, kind, layer)
    return loops


def _take(loop: Loop, key: str, kind: str, layer: Any) -> None:
    parts = {"RECURRENCE": loop.recurrences, "ITERATOR": loop.iterators, "LOOP_OUTPUT": loop.ends}
    if kind in parts:
        parts[kind][key] = layer
    elif layer.kind.name == "COUNT":
        loop.limit = layer.get_input(0).name
    else:
        raise UnknownLayer(f"loop {layer.loop.name!r}: {layer.kind} is not interpreted, expected a count")
