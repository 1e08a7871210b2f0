"""Examples for sessions, texts and forecasts, from the bundles in service that can have them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from service.api.examples import forecast_example, generate_example, steps_example
from service.repository.manifest import Task
from service.repository.served_model import ServedModel

Example: TypeAlias = Callable[[ServedModel], dict[str, Any]]

_OPENINGS = {
    "named": {"summary": "by a name of one's own", "value": {"id": "talk"}},
    "rows": {"summary": "two rows, for a minute of silence at most", "value": {"rows": 2, "idle_s": 60}},
}


def give_examples(paths: dict[str, Any], models: Iterable[ServedModel]) -> None:
    """Add to the operations that are there what a body may be."""
    served = list(models)
    with_sessions = [model for model in served if model.sessions is not None]
    speaking = [model for model in served if model.manifest.task is Task.NEXT_SYMBOL]
    fed_back = [model for model in served if model.manifest.feedback is not None]
    _add(paths, "sessions", _OPENINGS)
    _add(paths, "sessions/{session}/steps", _examples(steps_example, with_sessions))
    for suffix in ("", "_stream"):
        _add(paths, f"generate{suffix}", _examples(generate_example, speaking))
        _add(paths, f"forecast{suffix}", _examples(forecast_example, fed_back))


def _examples(example: Example, models: list[ServedModel]) -> dict[str, Any]:
    return {model.manifest.name: {"value": example(model)} for model in models}


def _add(paths: dict[str, Any], route: str, examples: dict[str, Any]) -> None:
    if examples:
        body = paths[f"/v2/models/{{model}}/{route}"]["post"]["requestBody"]
        body["content"]["application/json"]["examples"] = examples
