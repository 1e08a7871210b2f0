"""From sequences' outputs to named output tensors: per-step outputs padded, with their lengths."""

from __future__ import annotations

from collections.abc import Container, Iterable

import numpy as np

from service.api.open_inference.tensors import Tensor
from service.domain.signature import LENGTHS, OUTPUT, Readout, Signature
from service.domain.tensors import Array
from service.errors import InvalidRequest

OUTPUTS = {Readout.LAST: (OUTPUT,), Readout.EVERY_STEP: (OUTPUT, LENGTHS)}


def output_names(signature: Signature) -> tuple[str, ...]:
    """What a model gives, in the order of every answer."""
    return OUTPUTS[signature.readout]


def check_output_names(names: Iterable[object], signature: Signature) -> None:
    """Raises InvalidRequest where an output is unknown or asked for twice."""
    asked = [str(name) for name in names]
    known = output_names(signature)
    if unknown := set(asked) - set(known):
        raise InvalidRequest(
            f"outputs: unknown output {', '.join(sorted(unknown))}, known are {', '.join(known)}"
        )
    if len(set(asked)) != len(asked):
        raise InvalidRequest("outputs: every output is asked for once")


def output_tensors(outputs: list[Array], signature: Signature, wanted: Container[str]) -> list[Tensor]:
    """`output [batch, …]`, or `output [batch, time, …]` with zeros past each row's entry in `lengths`."""
    tensors = []
    if OUTPUT in wanted:
        tensors.append(Tensor(OUTPUT, "FP32", _side_by_side(outputs, signature)))
    if LENGTHS in wanted and signature.has_step_outputs:
        lengths = np.array([len(output) for output in outputs], dtype=np.int32)
        tensors.append(Tensor(LENGTHS, "INT32", lengths))
    return tensors


def _side_by_side(outputs: list[Array], signature: Signature) -> Array:
    if len(outputs) == 1:
        # Most requests have one row, which stands beside nothing and need not be copied.
        return np.asarray(outputs[0], order="C")[None]
    return padded_outputs(outputs) if signature.has_step_outputs else np.stack(outputs)


def padded_outputs(outputs: list[Array]) -> Array:
    """Per-step outputs side by side, `[batch, time, …]`, zeros past each row's length."""
    longest = max(len(output) for output in outputs)
    padded = np.zeros((len(outputs), longest, *outputs[0].shape[1:]), dtype=outputs[0].dtype)
    for row, output in zip(padded, outputs, strict=True):
        row[: len(output)] = output
    return padded
