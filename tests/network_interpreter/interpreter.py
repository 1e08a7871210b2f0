"""Runs a network's layers in the order of what they need, loops included."""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import Any, NamedTuple

import numpy as np

from network_interpreter import arithmetic, shaping
from network_interpreter.arrays import Array, UnknownLayer, dtype_of, look_up, widened
from network_interpreter.loops import LOOP_LAYERS, Loop, loops_of

__all__ = ["NetworkInterpreter", "UnknownLayer"]

_LAYERS = {
    "ACTIVATION": ("IActivationLayer", arithmetic.activation),
    "CAST": ("ICastLayer", shaping.same),
    "CONCATENATION": ("IConcatenationLayer", shaping.concatenation),
    "CONSTANT": ("IConstantLayer", shaping.constant),
    "CONVOLUTION": ("IConvolutionLayer", arithmetic.convolution),
    "ELEMENTWISE": ("IElementWiseLayer", arithmetic.elementwise),
    "FILL": ("IFillLayer", shaping.fill),
    "GATHER": ("IGatherLayer", shaping.gather),
    "IDENTITY": ("IIdentityLayer", shaping.same),
    "MATRIX_MULTIPLY": ("IMatrixMultiplyLayer", arithmetic.matrix_multiply),
    "REDUCE": ("IReduceLayer", arithmetic.reduce),
    "SELECT": ("ISelectLayer", arithmetic.select),
    "SHAPE": ("IShapeLayer", shaping.shape),
    "SHUFFLE": ("IShuffleLayer", shaping.shuffle),
    "SLICE": ("ISliceLayer", shaping.slice_),
    "SOFTMAX": ("ISoftMaxLayer", arithmetic.softmax),
    "SQUEEZE": ("ISqueezeLayer", shaping.squeeze),
    "UNARY": ("IUnaryLayer", arithmetic.unary),
    "UNSQUEEZE": ("IUnsqueezeLayer", shaping.unsqueeze),
    "ITERATOR": ("IIteratorLayer", None),
    "LOOP_OUTPUT": ("ILoopOutputLayer", None),
    "RECURRENCE": ("IRecurrenceLayer", None),
    "TRIP_LIMIT": ("ITripLimitLayer", None),
}


class Placed(NamedTuple):
    """A layer, the names of its inputs (None where not connected) and outputs, and the type it puts out."""

    kind: str
    layer: Any
    slots: list[str | None]
    outputs: list[str]
    dtype: Any

    @property
    def inputs(self) -> list[str]:
        return [name for name in self.slots if name is not None]


class NetworkInterpreter:
    """Computes a network's outputs from its inputs; raises UnknownLayer for what it was not taught."""

    def __init__(self, trt: Any, network: Any) -> None:
        placed = [_place(trt, network.get_layer(index)) for index in range(network.num_layers)]
        self._layers = {place.outputs[0] if place.outputs else place.layer.name: place for place in placed}
        self._makers = {name: key for key, place in self._layers.items() for name in place.outputs}
        self._loops = loops_of({key: (place.kind, place.layer) for key, place in self._layers.items()})
        self._order = list(TopologicalSorter(self._needs()).static_order())
        self._within = {name: self._varying(loop) for name, loop in self._loops.items()}
        self._inside: set[str] = set().union(*self._within.values())
        self._outputs = [network.get_output(index).name for index in range(network.num_outputs)]

    def run(self, feeds: dict[str, Array]) -> dict[str, Array]:
        """Every output of the network by name, in its own type."""
        values = {name: np.asarray(array) for name, array in feeds.items()}
        for key in self._order:
            if key not in self._inside:
                self._compute(key, values)
        return {name: values[name] for name in self._outputs}

    def _needs(self) -> dict[str, set[str]]:
        """What must be computed before each layer; a whole loop stands before each of its outputs."""
        needs = {}
        for key, place in self._layers.items():
            wanted = place.inputs[:1] if place.kind == "RECURRENCE" else place.inputs
            if place.kind == "LOOP_OUTPUT":
                wanted = [*wanted, *self._loops[place.layer.loop.name].boundary]
            needs[key] = {self._makers[name] for name in wanted if name in self._makers}
        return needs

    def _varying(self, loop: Loop) -> set[str]:
        """The layers whose values change from one turn of the loop to the next."""
        turning = set(loop.recurrences) | set(loop.iterators)
        for key in self._order:
            place = self._layers[key]
            if place.kind != "LOOP_OUTPUT" and not turning.isdisjoint(place.inputs):
                turning.update(place.outputs or [key])
        return {self._makers.get(name, name) for name in turning}

    def _compute(self, key: str, values: dict[str, Array]) -> None:
        place = self._layers[key]
        if place.kind == "LOOP_OUTPUT" and key not in values:
            self._turn(place.layer.loop.name, values)
        elif place.kind not in LOOP_LAYERS:
            operands = [None if name is None else widened(values[name]) for name in place.slots]
            result = _LAYERS[place.kind][1](place.layer, *operands)  # type: ignore[misc]
            values[key] = np.asarray(result).astype(place.dtype, copy=False)

    def _turn(self, name: str, values: dict[str, Array]) -> None:
        """Run a loop to its end and put what leaves it into `values`."""
        loop = self._loops[name]
        body = [key for key in self._order if key in self._within[name]]
        state = loop.first_state(values)
        collected: dict[str, list[Array]] = {output: [] for output in loop.collecting}
        for turn in range(loop.turns(values)):
            inner = values | state | loop.picked(values, turn)
            for key in body:
                self._compute(key, inner)
            for output, found in collected.items():
                found.append(inner[loop.source(output)])
            state = loop.next_state(inner)
        values.update(loop.results(state, collected))


def _place(trt: Any, layer: Any) -> Placed:
    # The kind is read first: the class below hides it.
    kind = layer.type
    class_name, _ = look_up(_LAYERS, kind, layer)
    layer.__class__ = getattr(trt, class_name)
    tensors = [layer.get_input(index) for index in range(layer.num_inputs)]
    made = [layer.get_output(index) for index in range(layer.num_outputs)]
    return Placed(
        kind=kind.name,
        layer=layer,
        slots=[tensor.name if tensor is not None else None for tensor in tensors],
        outputs=[tensor.name for tensor in made],
        dtype=dtype_of(made[0]) if made else None,
    )
