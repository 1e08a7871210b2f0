"""An inspection in JSON: every number of the units wanted, or how they are spread at each step."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import orjson

from service.domain.tensors import Array
from service.errors import BodyTooLarge, InvalidRequest
from service.inspection.inspection import InspectedLayer
from service.inspection.inspector import InspectedAnswer
from service.inspection.recurrence import GATES, Quantities

DECIMALS = 6
# A gate further to one side than this lets next to nothing through, or next to everything.
CLOSED, OPEN = 0.1, 0.9
# About five megabytes of JSON.
_MOST_NUMBERS = 1 << 19
# Runs from -1 to 1, and so is neither open nor closed.
_CANDIDATE = "candidate"


class Wanted(NamedTuple):
    """Which hidden units, None for all, and whether their spread is enough."""

    units: list[int] | None
    is_summary: bool


def worded_inspection(answer: InspectedAnswer, wanted: Wanted) -> bytes:
    """Raises InvalidRequest where a unit does not exist, BodyTooLarge where the answer would be."""
    model, result, inspection = answer.model, answer.result, answer.inspection
    _check_units(inspection.layers, wanted.units)
    layers = [_chosen(layer, wanted.units) for layer in inspection.layers]
    if not wanted.is_summary:
        _check_numbers(layers)
    return orjson.dumps(
        {
            "model": result.model,
            "version": result.version,
            "device": result.device,
            "prediction": model.wording(result.outputs[0], answer.sequence),
            "steps": len(answer.sequence),
            "decimals": DECIMALS,
            "largest_difference": {
                "hidden": inspection.hidden_difference,
                "output": answer.output_difference,
            },
            "not_inspected": inspection.others,
            "units": wanted.units,
            "layers": [_layer(layer, wanted.is_summary) for layer in layers],
        }
    )


def _check_units(layers: tuple[InspectedLayer, ...], units: list[int] | None) -> None:
    smallest = min(layers, key=lambda inspected: inspected.layer.hidden_size).layer
    if units and max(units) >= smallest.hidden_size:
        raise InvalidRequest(
            f"units: {max(units)} is outside 0 to {smallest.hidden_size - 1}, the units of {smallest.name}"
        )


def _check_numbers(layers: list[InspectedLayer]) -> None:
    numbers = sum(
        values.size for layer in layers for direction in layer.directions for values in direction.values()
    )
    if numbers > _MOST_NUMBERS:
        raise BodyTooLarge(
            f"sequence: the answer would have {numbers:,} numbers, at most {_MOST_NUMBERS:,} are sent: name "
            "fewer units, or ask for a summary"
        )


def _chosen(inspected: InspectedLayer, units: list[int] | None) -> InspectedLayer:
    if units is None:
        return inspected
    return InspectedLayer(
        inspected.layer,
        tuple(
            {name: values[:, units] for name, values in direction.items()}
            for direction in inspected.directions
        ),
    )


def _layer(inspected: InspectedLayer, is_summary: bool) -> dict[str, Any]:
    layer = inspected.layer
    return {
        "name": layer.name,
        "operator": layer.operator,
        "hidden_size": layer.hidden_size,
        "peepholes": "P" in layer.inputs,
        "directions": [
            {"direction": name, **_direction(layer.operator, found, is_summary)}
            for name, found in zip(layer.directions, inspected.directions, strict=True)
        ],
    }


def _direction(operator: str, found: Quantities, is_summary: bool) -> dict[str, Any]:
    """Gates together, the cell and the hidden state beside them."""
    gates = GATES[operator]
    told = {
        name: _spread(values, is_gate=name in gates and name != _CANDIDATE)
        if is_summary
        else _numbers(values)
        for name, values in found.items()
    }
    return {"gates": {name: told.pop(name) for name in gates}, **told}


def _spread(values: Array, *, is_gate: bool) -> dict[str, orjson.Fragment]:
    """Over the units, at each step."""
    spread = {"mean": values.mean(axis=1), "min": values.min(axis=1), "max": values.max(axis=1)}
    if is_gate:
        spread |= {"closed": (values < CLOSED).mean(axis=1), "open": (values > OPEN).mean(axis=1)}
    return {name: _numbers(each) for name, each in spread.items()}


def _numbers(values: Array) -> orjson.Fragment:
    """Written one array at a time: what writes all at once keeps every other thread waiting for as long."""
    rounded = np.ascontiguousarray(np.round(values, DECIMALS))
    return orjson.Fragment(orjson.dumps(rounded, option=orjson.OPT_SERIALIZE_NUMPY))
