"""What a client knows in advance of the steps that are to be forecast."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from service.domain.feedback import FeedbackLoop
from service.domain.sequences import checked_sequence, nested_list_array
from service.domain.tensors import Array, Shape
from service.errors import InvalidRequest
from service.repository.manifest import Manifest
from service.repository.served_model import ServedModel

_MOST_NAMED = 3


def future_of(values: Any, steps: int, loop: FeedbackLoop, model: ServedModel) -> Array:
    """`[steps, *known]`, or with extents of 1 where one number stands for all of a position.

    Raises InvalidRequest saying which shape it should have, and what that means.
    """
    shape = (steps, *loop.known_shape)
    if values is None or values == []:
        if steps and loop.known:
            raise _refusal("nothing", shape, loop, model)
        return np.empty(shape)
    future = nested_list_array(values, "future", loop.known_shape)
    if not steps or not loop.known or future.shape not in (shape, shape[:2]):
        raise _refusal(_extents(future.shape), shape, loop, model)
    signature = replace(model.signature, step_shape=future.shape[1:])
    checked = checked_sequence(future, signature, steps, "future")
    return checked.reshape(*checked.shape, *[1] * (len(shape) - checked.ndim))


def _refusal(got: str, shape: Shape, loop: FeedbackLoop, model: ServedModel) -> InvalidRequest:
    if not shape[0] or not loop.known:
        return InvalidRequest(f"future: got {got}, expected none: nothing is to be known in advance")
    short = f" or {_extents(shape[:2])}" if len(shape) > 2 else ""
    return InvalidRequest(
        f"future: got {got}, expected {_extents(shape)}{short}: of every step ahead but the last, "
        f"{_named(loop, model)}"
    )


def known_features(loop: FeedbackLoop, manifest: Manifest) -> list[str]:
    """What the manifest calls what is known in advance; nothing where it does not say."""
    features = manifest.step.features or ()
    return [features[place] for place in loop.known if place < len(features)]


def _named(loop: FeedbackLoop, model: ServedModel) -> str:
    named = known_features(loop, model.manifest) or [f"position {place}" for place in loop.known]
    more = len(named) - _MOST_NAMED
    return "; ".join(named[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _extents(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "a single number"
