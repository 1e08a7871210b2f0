"""The activation functions of ONNX's recurrent operators in NumPy, with ONNX Runtime's defaults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from service.domain.tensors import Array

_ALPHAS = {
    "affine": 0.0,
    "leakyrelu": 0.01,
    "thresholdedrelu": 0.0,
    "scaledtanh": 0.0,
    "hardsigmoid": 0.2,
    "elu": 1.0,
}
_BETAS = {"affine": 0.0, "scaledtanh": 0.0, "hardsigmoid": 0.5}
_FUNCTIONS: dict[str, Callable[[Array, float, float], Array]] = {
    # In this form nothing overflows.
    "sigmoid": lambda x, *_: 0.5 + 0.5 * np.tanh(0.5 * x),
    "tanh": lambda x, *_: np.tanh(x),
    "relu": lambda x, *_: np.maximum(x, 0),
    "softsign": lambda x, *_: x / (1 + np.abs(x)),
    "softplus": lambda x, *_: np.logaddexp(0, x),
    "leakyrelu": lambda x, alpha, _: np.where(x < 0, alpha * x, x),
    "thresholdedrelu": lambda x, alpha, _: np.where(x > alpha, x, 0),
    "elu": lambda x, alpha, _: np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x),
    "hardsigmoid": lambda x, alpha, beta: np.clip(alpha * x + beta, 0, 1),
    "affine": lambda x, alpha, beta: alpha * x + beta,
    "scaledtanh": lambda x, alpha, beta: alpha * np.tanh(beta * x),
}


class Activation(NamedTuple):
    """A function by its lower-case ONNX name; alpha and beta where it takes them."""

    function: str
    alpha: float = 0.0
    beta: float = 0.0

    def __call__(self, x: Array) -> Array:
        return _FUNCTIONS[self.function](x, self.alpha, self.beta)


def read_activations(names: Sequence[str], alphas: list[float], betas: list[float]) -> list[Activation]:
    """Alphas and betas are handed out in order, only to functions that take one."""
    waiting_alphas, waiting_betas = iter(alphas), iter(betas)
    activations = []
    for function in map(str.lower, names):
        alpha = next(waiting_alphas, _ALPHAS[function]) if function in _ALPHAS else 0.0
        beta = next(waiting_betas, _BETAS[function]) if function in _BETAS else 0.0
        activations.append(Activation(function, alpha, beta))
    return activations
