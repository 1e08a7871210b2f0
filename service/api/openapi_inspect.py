"""OpenAPI for the inspection of a model."""

from __future__ import annotations

from typing import Any

from service.api.examples import predict_example
from service.api.inspection_json import CLOSED, DECIMALS, OPEN
from service.inspection.recurrence import GATES
from service.repository.served_model import ServedModel

_TEXT = (
    "What every gate, the cell and the hidden state of each LSTM, GRU and RNN layer did at each step of one "
    f"sequence, from fresh states: arrays [steps, hidden], rounded to {DECIMALS} decimals, in the order of "
    "the sequence also where a layer runs backwards. It is computed anew in float64 and checked against what "
    "ONNX Runtime computed: largest_difference says how far it is off; what is beyond rounding is refused."
)
_QUANTITY = {
    "description": "[steps, hidden]; in a summary over the units, each [steps]",
    "oneOf": [
        {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
        {
            "type": "object",
            "properties": {
                name: {"type": "array", "items": {"type": "number"}, "description": text}
                for name, text in {
                    "mean": "over the units",
                    "min": "over the units",
                    "max": "over the units",
                    "closed": f"share of the units below {CLOSED}; gates only",
                    "open": f"share of the units above {OPEN}; gates only",
                }.items()
            },
            "required": ["mean", "min", "max"],
        },
    ],
}
_DIRECTION = {
    "type": "object",
    "properties": {
        "direction": {"type": "string", "enum": ["forward", "reverse"]},
        "gates": {
            "type": "object",
            "description": "; ".join(
                f"{name}: {', '.join(gates) or 'none'}" for name, gates in GATES.items()
            ),
            "additionalProperties": _QUANTITY,
        },
        "cell": _QUANTITY,
        "hidden": _QUANTITY,
    },
    "required": ["direction", "gates", "hidden"],
}
_LAYER = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "operator": {"type": "string", "enum": [*GATES]},
        "hidden_size": {"type": "integer"},
        "peepholes": {"type": "boolean"},
        "directions": {"type": "array", "items": _DIRECTION},
    },
    "required": ["name", "operator", "hidden_size", "peepholes", "directions"],
}
_ANSWER = {
    "type": "object",
    "properties": {
        "model": {"type": "string"},
        "version": {"type": "string"},
        "device": {"type": "string", "enum": ["cpu", "gpu"], "description": "what computed the prediction"},
        "prediction": {"type": "object", "description": "as /predict words it"},
        "steps": {"type": "integer"},
        "decimals": {"type": "integer"},
        "largest_difference": {
            "type": "object",
            "properties": {
                "hidden": {"type": "number", "description": "of any layer to what ONNX Runtime computed"},
                "output": {
                    "type": "number",
                    "description": "of the inspected run's output to the prediction",
                },
            },
            "required": ["hidden", "output"],
        },
        "not_inspected": {
            "type": "array",
            "items": {"type": "string"},
            "description": "recurrences of the model that are no such node",
        },
        "units": {"type": ["array", "null"], "items": {"type": "integer"}},
        "layers": {"type": "array", "items": _LAYER},
    },
    "required": ["model", "version", "prediction", "largest_difference", "layers"],
}


def inspect_operation(
    models: list[ServedModel], refusals: dict[str, Any], has_version: bool
) -> dict[str, Any]:
    """POST /v2/models/{model}[/versions/{version}]/inspect."""
    named = ["model", "version"] if has_version else ["model"]
    examples = {
        model.manifest.name: {"value": predict_example(model) | {"summary": True}} for model in models
    }
    return {
        "tags": ["Predictions"],
        "summary": "Inspect the gates" + (", of one version" if has_version else ""),
        "description": _TEXT,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in named
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _request(), "examples": examples}},
        },
        "responses": {
            "200": {"description": "the answer", "content": {"application/json": {"schema": _ANSWER}}},
            **refusals,
        },
    }


def _request() -> dict[str, Any]:
    values = {"type": "array", "description": "steps x step shape, nested lists", "items": {}}
    text = {"type": "string", "description": "text, where a step is a symbol"}
    return {
        "type": "object",
        "required": ["sequence"],
        "additionalProperties": False,
        "properties": {
            "sequence": {"oneOf": [values, text]},
            "timeout_ms": {"type": "number", "exclusiveMinimum": 0},
            "units": {
                "type": "array",
                "items": {"type": "integer", "minimum": 0},
                "minItems": 1,
                "uniqueItems": True,
                "description": "only these hidden units of each layer",
            },
            "summary": {"type": "boolean", "description": "the spread over the units at each step instead"},
        },
    }
