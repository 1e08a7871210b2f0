"""Whether a bundle's states are paired as its manifest says: told by numbers, since names and shapes cannot.

h and c of one layer have the same shape. A server that feeds the one where the other belongs answers wrongly
from the second chunk on, and nothing says so.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from service.backends.engine_thread import Engine
from service.domain.batches import Batch, BatchResult
from service.domain.signature import Signature
from service.domain.tensors import Array
from service.errors import InvalidBundle
from service.repository.golden import GoldenVectors
from service.repository.manifest import Manifest
from service.repository.proving import blank_batch, run

_STEPS = 16
# Of the largest state, or of 1: kernels for other sizes round differently, by some 1e-7.
_ALLOWED = 1e-3


async def prove_states(engine: Engine, manifest: Manifest, golden: GoldenVectors) -> None:
    """Two chunks must end where the whole sequence ends; raises InvalidBundle where they do not."""
    signature = manifest.signature
    if not signature.states:
        return
    name, steps = f"{manifest.name}/{manifest.version}", _some_steps(signature, golden)
    middle = len(steps) // 2
    whole = await run(engine, _alone(signature, steps))
    first = await run(engine, _alone(signature, steps[:middle]))
    second = await run(engine, _alone(signature, steps[middle:], first.states))
    off = _difference(second, whole)
    if off > _ALLOWED:
        hint = await _hint(engine, signature, steps[middle:], first.states, whole)
        raise InvalidBundle(f"{name}: states: two chunks end {off:.3g} away from the whole sequence{hint}")
    forgetful = await run(engine, _alone(signature, steps[middle:]))
    if _difference(forgetful, whole) == 0:
        raise InvalidBundle(f"{name}: states: they change nothing: a fresh start ends where the stream does")


async def _hint(
    engine: Engine, signature: Signature, steps: Array, states: tuple[Array, ...], whole: BatchResult
) -> str:
    """Which two states were exchanged, if that is what is wrong."""
    for one, other in combinations(range(len(states)), 2):
        if states[one].shape != states[other].shape:
            continue
        order = list(states)
        order[one], order[other] = states[other], states[one]
        if _difference(await run(engine, _alone(signature, steps, tuple(order))), whole) <= _ALLOWED:
            outputs = signature.states[one].output, signature.states[other].output
            return (
                f"; with {outputs[0]} and {outputs[1]} exchanged they agree, so the manifest has them wrong"
            )
    return ""


def _some_steps(signature: Signature, golden: GoldenVectors) -> Array:
    """Real steps where the bundle has them."""
    longest = max(golden.sequences, key=len, default=None)
    if longest is not None and len(longest) > 1:
        return longest[:_STEPS]
    random = np.random.default_rng(0)
    shape = (_STEPS, *signature.step_shape)
    if signature.step_datatype.is_floating:
        return random.standard_normal(shape).astype(signature.step_datatype.dtype)
    return random.integers(0, signature.symbol_count or 2, shape).astype(signature.step_datatype.dtype)


def _alone(signature: Signature, steps: Array, states: tuple[Array, ...] | None = None) -> Batch:
    batch = blank_batch(signature, 1, len(steps))
    batch.sequence[:, 0] = steps
    return Batch(batch.sequence, batch.lengths, batch.states if states is None else states)


def _difference(result: BatchResult, due: BatchResult) -> float:
    """The largest of any state, as a share of the largest state or of 1."""
    pairs = list(zip(result.states, due.states, strict=True))
    off = max(float(np.abs(got - wanted).max()) for got, wanted in pairs)
    return off / max(1.0, *(float(np.abs(wanted).max()) for _, wanted in pairs))
