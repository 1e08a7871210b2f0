"""What an engine goes through before it serves: the bundle's golden vectors, and a few sizes to measure."""

from __future__ import annotations

import asyncio

import numpy as np

from service.backends.canary import Canary
from service.backends.engine_thread import Engine, Outcome
from service.domain.batches import Batch, BatchResult
from service.domain.clock import Clock
from service.domain.sequences import checked_sequence
from service.domain.signature import Signature
from service.domain.tensors import Array
from service.errors import InvalidBundle, InvalidRequest
from service.plans.plan import Precision
from service.repository.golden import GoldenVectors
from service.repository.manifest import Manifest

# Rows and steps of the warm-up batches; they stop early where the model is slow.
_WARM_UP = ((1, 1), (1, 4), (4, 4), (1, 16), (16, 16), (4, 48))
_WARM_UP_BUDGET_S = 0.04
_CANARY_STEPS = 4
# Largest difference allowed to the golden vectors, as a share of the largest number among them.
_SHARES = {Precision.FP16: 2e-2, Precision.BF16: 0.15}


def tolerance_of(manifest: Manifest, golden: GoldenVectors, precision: Precision) -> float:
    """How far from the golden vectors a precision may be: for fp32 what the manifest says."""
    if precision is Precision.FP32:
        return manifest.tolerance.reference
    largest = max((float(np.abs(output).max()) for output in golden.outputs), default=1.0)
    return _SHARES[precision] * max(1.0, largest)


async def prove(engine: Engine, manifest: Manifest, golden: GoldenVectors, tolerance: float) -> None:
    """Run the bundle's golden vectors on this machine; raises InvalidBundle where an output is off."""
    for index, (values, due) in enumerate(zip(golden.sequences, golden.outputs, strict=True)):
        name = f"{manifest.name}/{manifest.version}: golden vector {index}"
        await check(engine, _canary(manifest.signature, values, due, tolerance, name), name)


async def check(engine: Engine, canary: Canary, name: str) -> None:
    """Raises InvalidBundle where the engine's answer to a canary is not the one due."""
    result = await run(engine, canary.batch)
    fault = canary.fault(result)
    if fault is not None:
        raise InvalidBundle(f"{name} on {result.device} {fault}")


async def warm(engine: Engine, signature: Signature, clock: Clock) -> list[tuple[int, int, float]]:
    """Run a few sizes, so that the first caller finds a warm engine: rows, steps and seconds of each."""
    observations = []
    spent_s = 0.0
    for rows, steps in _WARM_UP:
        if spent_s > _WARM_UP_BUDGET_S:
            break
        batch = blank_batch(signature, rows, steps)
        started_s = clock.now()
        computed_s = [(await run(engine, batch)).compute_s for _ in range(2)]
        observations.append((rows, steps, min(computed_s)))
        spent_s += clock.now() - started_s
    return observations


async def canary_of(engine: Engine, manifest: Manifest, golden: GoldenVectors, tolerance: float) -> Canary:
    """The shortest golden vector, or, where a bundle has none, what a trusted engine makes of zeros."""
    if golden.sequences:
        return _canary(manifest.signature, golden.sequences[0], golden.outputs[0], tolerance, "canary")
    batch = blank_batch(manifest.signature, 1, _CANARY_STEPS)
    return Canary(batch, (await run(engine, batch)).output, tolerance)


async def run(engine: Engine, batch: Batch) -> BatchResult:
    """One batch's result; raises InvalidBundle where the engine cannot run it."""
    done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    engine.submit(batch, done.set_result)
    outcome = await done
    if isinstance(outcome, Exception):
        raise InvalidBundle(f"the engine cannot run it: {outcome}") from outcome
    return outcome


def blank_batch(signature: Signature, rows: int, steps: int) -> Batch:
    """Zeros of so many rows, each so many steps long, from fresh states."""
    return Batch(
        np.zeros((steps, rows, *signature.step_shape), dtype=signature.step_datatype.dtype),
        np.full(rows, steps, dtype=np.int32),
        tuple(np.zeros((rows, *state.shape), dtype=np.float32) for state in signature.states),
    )


def _canary(signature: Signature, values: Array, due: Array, tolerance: float, name: str) -> Canary:
    try:
        sequence = checked_sequence(values, signature, len(values), name)
    except InvalidRequest as failure:
        raise InvalidBundle(failure.message) from failure
    batch = blank_batch(signature, 1, len(sequence))
    batch.sequence[:, 0] = sequence
    axis = 1 if signature.has_step_outputs else 0
    return Canary(batch, np.expand_dims(due, axis), tolerance)
