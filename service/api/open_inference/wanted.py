"""Which outputs a REST request wants, and which of them as bytes."""

from __future__ import annotations

from typing import Any, NamedTuple

from service.api.open_inference.outputs import OUTPUTS, check_output_names
from service.domain.signature import Signature
from service.errors import InvalidRequest

_NOT_OFFERED = ("classification", "shared_memory_region")


class Wanted(NamedTuple):
    """Names of outputs: all that are wanted, and those of them that travel as bytes."""

    names: frozenset[str]
    binary: frozenset[str]


# Made once: most requests want everything.
_ALL = {
    (readout, is_binary): Wanted(frozenset(names), frozenset(names if is_binary else ()))
    for readout, names in OUTPUTS.items()
    for is_binary in (True, False)
}


def wanted_outputs(outputs: Any, parameters: dict[str, Any], signature: Signature) -> Wanted:
    """What `outputs` asks for; without it everything, in the form `binary_data_output` says."""
    is_binary = bool(parameters) and _flag(
        parameters.get("binary_data_output"), "parameters.binary_data_output", False
    )
    if outputs is None or outputs == []:
        return all_outputs(signature, is_binary)
    if not isinstance(outputs, list) or not all(isinstance(tensor, dict) for tensor in outputs):
        raise InvalidRequest("outputs: expected a list of objects with a name")
    check_output_names((tensor.get("name") for tensor in outputs), signature)
    names = frozenset(tensor["name"] for tensor in outputs)
    return Wanted(names, frozenset(tensor["name"] for tensor in outputs if _is_binary(tensor, is_binary)))


def all_outputs(signature: Signature, is_binary: bool) -> Wanted:
    """Every output of a model, in one form."""
    return _ALL[signature.readout, is_binary]


def _is_binary(tensor: dict[str, Any], default: bool) -> bool:
    """Whether this output travels as bytes: its own word, else the request's."""
    field = f"outputs.{tensor['name']}.parameters"
    parameters = tensor.get("parameters")
    if parameters is None:
        return default
    if not isinstance(parameters, dict):
        raise InvalidRequest(f"{field}: expected an object")
    for name in _NOT_OFFERED:
        if parameters.get(name):
            raise InvalidRequest(f"{field}.{name}: is not offered, leave it out")
    return _flag(parameters.get("binary_data"), f"{field}.binary_data", default)


def _flag(value: Any, field: str, default: bool) -> bool:
    if value is None:
        return default
    if not isinstance(value, bool):
        raise InvalidRequest(f"{field}: expected true or false")
    return value
