"""Layers that compute: element by element, over axes, products and convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from network_interpreter.arrays import Array, UnknownLayer, look_up, weights_as_array, widened


def _divided(a: Array, b: Array) -> Array:
    """Whole numbers are cut towards zero."""
    return a / b if a.dtype.kind == "f" else np.trunc(a / b)


_ELEMENTWISE = {
    "SUM": np.add,
    "SUB": np.subtract,
    "PROD": np.multiply,
    "DIV": _divided,
    "FLOOR_DIV": np.floor_divide,
    "MAX": np.maximum,
    "MIN": np.minimum,
    "LESS": np.less,
    "GREATER": np.greater,
}
_UNARY = {
    "SIN": np.sin,
    "COS": np.cos,
    "NOT": np.logical_not,
}
_REDUCE = {"SUM": np.sum}


# Each takes x, and whatever the layer says for alpha and beta.
_ACTIVATIONS = {
    "SIGMOID": lambda x, *_: 0.5 * (1 + np.tanh(0.5 * x)),
    "TANH": lambda x, *_: np.tanh(x),
    "RELU": lambda x, *_: np.maximum(x, 0),
    "CLIP": np.clip,
    "LEAKY_RELU": lambda x, alpha, _: np.where(x < 0, alpha * x, x),
    "ELU": lambda x, alpha, _: np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x),
    "SOFTSIGN": lambda x, *_: x / (1 + np.abs(x)),
    "SOFTPLUS": lambda x, alpha, beta: alpha * np.log1p(np.exp(beta * x)),
    "HARD_SIGMOID": lambda x, alpha, beta: np.clip(alpha * x + beta, 0, 1),
    "SCALED_TANH": lambda x, alpha, beta: alpha * np.tanh(beta * x),
    "THRESHOLDED_RELU": lambda x, alpha, _: np.where(x > alpha, x, 0),
}


def _axes(layer: Any, rank: int) -> tuple[int, ...]:
    return tuple(axis for axis in range(rank) if layer.axes >> axis & 1)


def elementwise(layer: Any, a: Array, b: Array) -> Array:
    return look_up(_ELEMENTWISE, layer.op, layer)(a, b)


def unary(layer: Any, x: Array) -> Array:
    return look_up(_UNARY, layer.op, layer)(x)


def activation(layer: Any, x: Array) -> Array:
    # The class's own `type` hides the layer's: here it is the kind of activation.
    return look_up(_ACTIVATIONS, layer.type, layer)(x, layer.alpha, layer.beta)


def reduce(layer: Any, x: Array) -> Array:
    return look_up(_REDUCE, layer.op, layer)(x, axis=_axes(layer, x.ndim), keepdims=layer.keep_dims)


def softmax(layer: Any, x: Array) -> Array:
    axes = _axes(layer, x.ndim)
    powers = np.exp(x - x.max(axes, keepdims=True))
    return powers / powers.sum(axes, keepdims=True)


_ORIENTATIONS = {"NONE": lambda matrix: matrix, "TRANSPOSE": lambda matrix: np.swapaxes(matrix, -1, -2)}


def matrix_multiply(layer: Any, a: Array, b: Array) -> Array:
    first, second = (look_up(_ORIENTATIONS, operation, layer) for operation in (layer.op0, layer.op1))
    return first(a) @ second(b)


def select(layer: Any, condition: Array, a: Array, b: Array) -> Array:
    return np.where(condition, a, b)


def convolution(layer: Any, x: Array) -> Array:
    """`x [N, C, *space]` with the layer's own kernel, of any number of space axes; one group."""
    if layer.num_groups != 1:
        raise UnknownLayer(
            f"layer {layer.name!r}: a convolution in groups is not interpreted, expected one group"
        )
    size, space = tuple(layer.kernel_size_nd), tuple(range(2, x.ndim))
    kernel = widened(weights_as_array(layer.kernel)).reshape(layer.num_output_maps, x.shape[1], *size)
    padding = zip(layer.pre_padding, layer.post_padding, strict=True)
    reach = [(k - 1) * d + 1 for k, d in zip(size, layer.dilation_nd, strict=True)]
    padded = np.pad(x, [(0, 0), (0, 0), *padding])
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach, space)
    steps = (*layer.stride_nd, *layer.dilation_nd)
    windows = windows[(slice(None), slice(None), *(slice(None, None, step) for step in steps))]
    inner = (1, *range(x.ndim, windows.ndim))
    result = np.moveaxis(np.tensordot(windows, kernel, (inner, range(1, x.ndim))), -1, 1)
    if layer.bias is None or not layer.bias.size:
        return result
    return result + widened(weights_as_array(layer.bias)).reshape(-1, *[1] * len(space))
