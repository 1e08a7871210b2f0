"""OpenAPI for the hot routes, which FastAPI never sees, with examples from the bundles in service."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version as package_version
from typing import Any

from fastapi import FastAPI

from service.api.examples import predict_example
from service.api.openapi_infer import infer_operation
from service.api.openapi_inspect import inspect_operation
from service.api.openapi_refusals import document_refusals, inference_refusals
from service.api.openapi_streams import give_examples
from service.domain.priority import DEFAULT, HIGHEST, LOWEST
from service.repository.registry import Registry
from service.repository.served_model import ServedModel

# Larger examples (wind fields) would make the page unreadable.
_MOST_NUMBERS = 400


def describe() -> dict[str, Any]:
    """Title, version and text of the documentation."""
    return {
        "title": "Carousel",
        "version": package_version("carousel-serve"),
        "summary": "An inference server for LSTMs",
        "description": "Sequences of any length in, answers out. Send raw values: the model normalises.",
    }


def document_hot_routes(app: FastAPI, registry: Registry) -> None:
    """Make the application's OpenAPI schema include the hot routes."""
    schema_of_routes = app.openapi
    described = registry.changes

    def openapi() -> dict[str, Any]:
        nonlocal described
        if described != registry.changes:
            # Its examples are those of the models that serve.
            app.openapi_schema, described = None, registry.changes
        if app.openapi_schema is None:
            schema = _with_true_refusals(schema_of_routes())
            # Optional: the page offers to send a key, and works without where none is needed.
            schema.setdefault("components", {})["securitySchemes"] = _SECURITY
            schema["security"] = [{name: []} for name in _SECURITY] + [{}]
            models = list(_documentable(registry.models))
            schema["paths"]["/predict/{model}"] = {"post": _predict_operation(models)}
            for version in ("", "/versions/{version}"):
                path = f"/v2/models/{{model}}{version}"
                for name, operation in (("infer", infer_operation), ("inspect", inspect_operation)):
                    told = operation(models, inference_refusals(), bool(version))
                    schema["paths"][f"{path}/{name}"] = {"post": told}
            give_examples(schema["paths"], models)
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def _with_true_refusals(schema: dict[str, Any]) -> dict[str, Any]:
    document_refusals(schema["paths"])
    for name in ("HTTPValidationError", "ValidationError"):
        schema.get("components", {}).get("schemas", {}).pop(name, None)
    return schema


def _documentable(models: list[ServedModel]) -> Iterator[ServedModel]:
    for model in models:
        if model.golden.sequences and model.golden.sequences[0].size <= _MOST_NUMBERS:
            yield model


def _predict_operation(models: list[ServedModel]) -> dict[str, Any]:
    values = {"type": "array", "description": "steps x step shape, nested lists", "items": {}}
    sequence = {"oneOf": [values, {"type": "string", "description": "text, where a step is a symbol"}]}
    properties = {
        "sequence": sequence,
        "sequences": {"type": "array", "items": sequence, "minItems": 1},
        "timeout_ms": {"type": "number", "exclusiveMinimum": 0},
        "priority": {"type": "integer", "minimum": HIGHEST, "maximum": LOWEST, "default": DEFAULT},
        "include_outputs": {
            "type": "boolean",
            "description": "add the model's raw output, per step if it has one",
        },
    }
    examples = {model.manifest.name: {"value": predict_example(model)} for model in models}
    return _operation(
        "Predict", "Plain JSON: one sequence or several of any lengths.", properties, examples, _PREDICTION
    )


def _operation(
    summary: str,
    description: str,
    properties: dict[str, Any],
    examples: dict[str, Any],
    answer: dict[str, Any],
) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {
        "tags": ["Predictions"],
        "summary": summary,
        "description": description,
        "parameters": [{"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "examples": examples}},
        },
        "responses": {
            "200": {"description": "the answer", "content": {"application/json": {"schema": answer}}},
            **inference_refusals(),
        },
    }


_SECURITY: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "an API key"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_PREDICTION = {
    "type": "object",
    "properties": {
        "model": {"type": "string"},
        "version": {"type": "string"},
        "device": {"type": "string", "enum": ["cpu", "gpu"], "description": "what computed it"},
        "degraded": {"type": "boolean", "description": "whether a better device is out of use"},
        "predictions": {"type": "array", "items": {"type": "object"}},
        "timings_ms": {"type": "object", "additionalProperties": {"type": "number"}},
    },
}
