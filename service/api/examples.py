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


def steps_example(model: ServedModel) -> dict[str, Any]:
    """The first step of a session, by its number."""
    return predict_example(model) | {"step": 1}


def generate_example(model: ServedModel) -> dict[str, Any]:
    """A beginning, and how to go on."""
    return {"text_input": predict_example(model)["sequence"], "steps": 80, "temperature": 0.7, "seed": 7}


def forecast_example(model: ServedModel) -> dict[str, Any]:
    """Two steps ahead; of the first is known what the last of the golden steps had there."""
    *past, last = model.golden.sequences[0]
    feedback = model.manifest.feedback
    known = [] if feedback is None else feedback.loop(model.signature).known
    future = [_rounded(last[known].tolist())] if known else []
    return {"sequence": [_rounded(step.tolist()) for step in past], "steps": 2, "future": future}


def _rounded(values: Any) -> Any:
    if isinstance(values, list):
        return [_rounded(value) for value in values]
    return round(values, 3) if isinstance(values, float) else values
