"""The activation functions of ONNX's recurrent operators, with ONNX Runtime's defaults, as nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np

from service.plans.graph import NodeWriter
from service.plans.refusal import PlanRefused


class Activation(NamedTuple):
    """A function by its lower-case ONNX name; alpha and beta where it takes them."""

    function: str
    alpha: float = 0.0
    beta: float = 0.0


_Write = Callable[[NodeWriter, str, Activation], str]

WITH_ALPHA: Final = {
    "affine": 0.0,
    "leakyrelu": 0.01,
    "thresholdedrelu": 0.0,
    "scaledtanh": 0.0,
    "hardsigmoid": 0.2,
    "elu": 1.0,
}
"""ONNX leaves some of the defaults open: these are what ONNX Runtime computes with."""
WITH_BETA: Final = {"affine": 0.0, "scaledtanh": 0.0, "hardsigmoid": 0.5}


def _scalar(writer: NodeWriter, value: float) -> str:
    return writer.constant(np.float32(value), "scalar")


def _affine(writer: NodeWriter, x: str, activation: Activation) -> str:
    scaled = writer.add("Mul", x, _scalar(writer, activation.alpha))
    return writer.add("Add", scaled, _scalar(writer, activation.beta))


def _scaled_tanh(writer: NodeWriter, x: str, activation: Activation) -> str:
    inner = writer.add("Tanh", writer.add("Mul", x, _scalar(writer, activation.beta)))
    return writer.add("Mul", inner, _scalar(writer, activation.alpha))


def _operator(name: str, *options: str) -> _Write:
    """An activation that is an ONNX operator of its own."""

    def write(writer: NodeWriter, x: str, activation: Activation) -> str:
        return writer.add(name, x, **{option: getattr(activation, option) for option in options})

    return write


_WRITERS: Final[dict[str, _Write]] = {
    "sigmoid": _operator("Sigmoid"),
    "tanh": _operator("Tanh"),
    "relu": _operator("Relu"),
    "softsign": _operator("Softsign"),
    "softplus": _operator("Softplus"),
    "leakyrelu": _operator("LeakyRelu", "alpha"),
    "thresholdedrelu": _operator("ThresholdedRelu", "alpha"),
    "elu": _operator("Elu", "alpha"),
    "hardsigmoid": _operator("HardSigmoid", "alpha", "beta"),
    "affine": _affine,
    "scaledtanh": _scaled_tanh,
}


def read_activations(names: Sequence[str], alphas: list[float], betas: list[float]) -> list[Activation]:
    """Alphas and betas are handed out in order, only to functions that take one; raises PlanRefused."""
    waiting_alphas, waiting_betas = iter(alphas), iter(betas)
    activations = []
    for function in map(str.lower, names):
        if function not in _WRITERS:
            raise PlanRefused(f"activation {function}: expected one of {', '.join(sorted(_WRITERS))}")
        alpha = next(waiting_alphas, WITH_ALPHA[function]) if function in WITH_ALPHA else 0.0
        beta = next(waiting_betas, WITH_BETA[function]) if function in WITH_BETA else 0.0
        activations.append(Activation(function, alpha, beta))
    return activations


def activate(writer: NodeWriter, x: str, activations: Sequence[Activation]) -> str:
    """Apply one activation per direction to `[direction, batch, hidden]`."""
    if len(set(activations)) == 1:
        return _WRITERS[activations[0].function](writer, x, activations[0])
    parts = writer.split(x, len(activations), 1, axis=0)
    done = [
        _WRITERS[activation.function](writer, part, activation)
        for part, activation in zip(parts, activations, strict=True)
    ]
    return writer.join(done, axis=0)
