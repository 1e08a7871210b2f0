"""Layers that make, move and pick elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from network_interpreter.arrays import Array, UnknownLayer, look_up, weights_as_array


def constant(layer: Any) -> Array:
    return weights_as_array(layer.weights).reshape(tuple(layer.shape))


def same(layer: Any, x: Array) -> Array:
    """Identity and cast: what comes out has the output's type in any case."""
    return x


def shape(layer: Any, x: Array) -> Array:
    return np.array(x.shape, np.int64)


def concatenation(layer: Any, *parts: Array) -> Array:
    return np.concatenate(parts, layer.axis)


def squeeze(layer: Any, x: Array, axes: Array) -> Array:
    return np.squeeze(x, tuple(axes.ravel().tolist()))


def unsqueeze(layer: Any, x: Array, axes: Array) -> Array:
    return np.expand_dims(x, tuple(axes.ravel().tolist()))


def shuffle(layer: Any, x: Array, sizes: Array | None = None) -> Array:
    """Transpose, reshape to what was set or computed, transpose."""
    x = _transposed(x, layer.first_transpose)
    wanted = layer.reshape_dims if sizes is None else sizes
    if wanted is not None:
        x = _reshaped(x, _whole(wanted), layer.zero_is_placeholder)
    return _transposed(x, layer.second_transpose)


def _transposed(x: Array, permutation: Any) -> Array:
    return x.transpose(list(permutation)[: x.ndim])


def _reshaped(x: Array, sizes: list[int], zero_is_placeholder: bool) -> Array:
    if zero_is_placeholder:
        sizes = [size or x.shape[axis] for axis, size in enumerate(sizes)]
    return x.reshape(sizes)


def _gather_along(layer: Any, x: Array, indices: Array) -> Array:
    if layer.num_elementwise_dims:
        raise UnknownLayer(f"layer {layer.name!r}: a gather with elementwise axes is not interpreted")
    return np.take(x, indices, axis=layer.axis)


def _gather_places(layer: Any, x: Array, indices: Array) -> Array:
    """Each last vector of `indices` is a place in `x`, within its own row of the leading elementwise axes."""
    rows = indices.shape[: layer.num_elementwise_dims]
    own = np.indices((*rows, *[1] * (indices.ndim - 1 - len(rows))))[: len(rows)]
    return x[(*own, *np.moveaxis(indices, -1, 0))]


_GATHERS = {"DEFAULT": _gather_along, "ND": _gather_places}


def gather(layer: Any, x: Array, indices: Array) -> Array:
    return look_up(_GATHERS, layer.mode, layer)(layer, x, indices)


_EDGES = {"STRICT_BOUNDS": "raise"}


def slice_(layer: Any, x: Array, *given: Array | None) -> Array:
    """Start, size and stride come from inputs where connected; past the edge as the mode says."""
    inputs = (*given, *[None] * (5 - len(given)))
    start, size, stride = (
        _whole(value if value is not None else default)
        for value, default in zip(inputs, (layer.start, layer.shape, layer.stride), strict=False)
    )
    axes = _whole(inputs[4]) if inputs[4] is not None else list(layer.axes or range(x.ndim))
    for axis, first, count, step in zip(axes, start, size, stride, strict=True):
        places = first + step * np.arange(count)
        x = np.take(x, places, axis=axis, mode=look_up(_EDGES, layer.mode, layer))
    return x


def _whole(values: Any) -> list[int]:
    return [int(value) for value in values]


def fill(layer: Any, count: Array, first: Array | None = None, step: Array | None = None) -> Array:
    """A row of numbers, each one step after the one before."""
    if layer.operation.name != "LINSPACE" or count.size != 1:
        raise UnknownLayer(f"layer {layer.name!r}: only a row of evenly spaced numbers is interpreted")
    start = layer.alpha if first is None else first
    stride = layer.beta if step is None else step.item()
    return start + np.arange(count.item()) * stride
