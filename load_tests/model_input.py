"""What a served model takes, as the server's own metadata says it."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

import orjson

from load_tests.address import Address

_TIMEOUT_S = 10.0


class NoSuchModel(Exception):
    """The server does not answer, or does not serve the model that is to be loaded."""


@dataclass(frozen=True, slots=True)
class ModelInput:
    """A model by name, the datatype of its steps and the shape of one."""

    model: str
    datatype: str
    step_shape: tuple[int, ...]

    @property
    def is_floating(self) -> bool:
        return self.datatype.startswith("FP")


def read_model_input(address: Address, model: str) -> ModelInput:
    """Ask the server; raises NoSuchModel with the server's words."""
    url = f"{address.url}/v2/models/{model}"
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - Address is http and loopback
            metadata = orjson.loads(answer.read())
    except urllib.error.HTTPError as refusal:
        raise NoSuchModel(f"{url}: {refusal.code} {refusal.read().decode(errors='replace')}") from None
    except OSError as failure:
        raise NoSuchModel(f"{url}: no answer ({failure}): start the server first") from None
    return model_input(metadata)


def model_input(metadata: dict[str, Any]) -> ModelInput:
    """The part of `GET /v2/models/{model}` that a load needs: `sequence` without batch and time."""
    sequence = next(tensor for tensor in metadata["inputs"] if tensor["name"] == "sequence")
    return ModelInput(metadata["name"], sequence["datatype"], tuple(sequence["shape"][2:]))
