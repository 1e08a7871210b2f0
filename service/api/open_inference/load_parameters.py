"""Parameters of loading and unloading, the same for every transport."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from service.domain.version_policy import ALL, VersionPolicy
from service.errors import InvalidRequest

_FIELD = "parameters.config"


def load_policy(model: str, parameters: Mapping[str, Any]) -> VersionPolicy | None:
    """The version policy that a load's `config` names, None without one; raises InvalidRequest.

    Nothing else of a model can be set from outside: its manifest and its graph were proved as they are.
    """
    for name in parameters:
        if name.startswith("file:"):
            raise InvalidRequest(f"parameters.{name}: models are not taken over the network, put it on disk")
        if name != "config":
            raise InvalidRequest(f"parameters.{name}: is not known, only config is")
    if "config" not in parameters:
        return None
    config = _parsed(parameters["config"])
    for key, value in config.items():
        if key != "version_policy" and (key, value) != ("name", model):
            raise InvalidRequest(f"{_FIELD}.{key}: cannot be overridden, only version_policy can")
    return _policy(config["version_policy"]) if "version_policy" in config else None


def check_unload_parameters(parameters: Mapping[str, Any]) -> None:
    """Raises InvalidRequest; `unload_dependents` changes nothing, since no model depends on another."""
    for name, value in parameters.items():
        if name != "unload_dependents":
            raise InvalidRequest(f"parameters.{name}: is not known, only unload_dependents is")
        if not isinstance(value, bool):
            raise InvalidRequest("parameters.unload_dependents: expected true or false")


def _parsed(text: Any) -> dict[str, Any]:
    try:
        config = orjson.loads(text) if isinstance(text, str) else None
    except orjson.JSONDecodeError as failure:
        raise InvalidRequest(f"{_FIELD}: not valid JSON: {failure}") from None
    if not isinstance(config, dict):
        raise InvalidRequest(f"{_FIELD}: expected a JSON object as a string")
    return config


def _policy(choice: Any) -> VersionPolicy:
    match choice:
        case {"all": {}, **others} if not others:
            return ALL
        case {"latest": {"num_versions": count}, **others} if not others and _is_positive(count):
            return VersionPolicy(latest=int(count))
        case {"latest": {**nothing}, **others} if not others and not nothing:
            return VersionPolicy(latest=1)
        case {"specific": {"versions": [_, *_] as versions}, **others} if not others and all(
            map(_is_positive, versions)
        ):
            return VersionPolicy(listed=frozenset(str(int(version)) for version in versions))
    raise InvalidRequest(
        f"{_FIELD}.version_policy: expected "
        '{"latest": {"num_versions": 1}}, {"all": {}} or {"specific": {"versions": [1]}}'
    )


def _is_positive(number: Any) -> bool:
    """Protobuf's JSON writes 64-bit numbers as strings."""
    if isinstance(number, str):
        return number.isascii() and number.isdigit() and len(number) < 20 and 0 < int(number) < 10**18
    return isinstance(number, int) and not isinstance(number, bool) and 0 < number < 10**18
