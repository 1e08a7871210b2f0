"""Requests that work, made from a bundle's own golden sequences."""

from __future__ import annotations

from typing import Any

from service.domain.signature import SEQUENCE
from service.repository.served_model import ServedModel


def predict_example(model: ServedModel) -> dict[str, Any]:
    """A body for /predict: text where steps are symbols, else numbers rounded for the eye."""
    sequence = model.golden.sequences[0]
    symbols = model.manifest.step.symbols
    if symbols:
        return {"sequence": "".join(symbols[index] for index in sequence.tolist())}
    return {"sequence": _rounded(sequence.tolist())}


def infer_example(model: ServedModel) -> dict[str, Any]:
    """A body for /v2/models/{model}/infer."""
    sequence = model.golden.sequences[0]
    tensor = {
        "name": SEQUENCE,
        "datatype": model.signature.step_datatype.value,
        "shape": [1, *sequence.shape],
        "data": _rounded(sequence.reshape(-1).tolist()),
    }
    return {"inputs": [tensor]}


def _rounded(values: Any) -> Any:
    if isinstance(values, list):
        return [_rounded(value) for value in values]
    return round(values, 3) if isinstance(values, float) else values
