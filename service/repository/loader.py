"""From a bundle on disk to a version in service: load, warm, measure, prove."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from service.backends.engine_thread import EngineThread, Outcome
from service.backends.factory import create_backend
from service.batching.clock import Clock
from service.batching.cost_model import CostModel
from service.batching.partition import BatchLimits
from service.batching.sequence_batcher import QueueBounds, SequenceBatcher
from service.domain.batches import Batch, BatchResult
from service.domain.sequences import checked_sequence
from service.domain.signature import Signature
from service.errors import InvalidBundle, InvalidRequest
from service.repository.golden import GoldenVectors, read_golden
from service.repository.manifest import Manifest
from service.repository.scanner import Bundle, read_bundle
from service.repository.served_model import ServedModel
from service.repository.wording import wording_of
from service.settings import Settings
from service.telemetry.metrics import Metrics

# Rows and steps of the warm-up batches; they stop early where the model is slow.
_WARM_UP = ((1, 1), (1, 4), (4, 4), (1, 16), (16, 16), (4, 48))
_WARM_UP_BUDGET_S = 0.04


@dataclass(frozen=True, slots=True)
class Loader:
    """Brings bundles into service with one server's settings, metrics and clock."""

    settings: Settings
    metrics: Metrics
    clock: Clock

    async def load(self, folder: Path) -> ServedModel:
        """Raises InvalidBundle with the reason where the bundle must not be served."""
        loop = asyncio.get_running_loop()
        bundle = await asyncio.to_thread(read_bundle, folder)
        golden = await asyncio.to_thread(read_golden, folder)
        name = f"{bundle.manifest.name}-{bundle.manifest.version}"
        engine = EngineThread(create_backend(self.settings), name, loop)
        await asyncio.to_thread(engine.load, bundle.artifact)
        engine.start()
        try:
            await _prove(engine, bundle.manifest, golden)
            cost = await self._warm(engine, bundle.manifest.signature)
        except BaseException:
            await engine.stop()
            raise
        return self._serve(bundle, engine, cost, golden)

    async def _warm(self, engine: EngineThread, signature: Signature) -> CostModel:
        """Run a few sizes, so that the first caller finds a warm engine and the scheduler a measured one."""
        cost = CostModel()
        observations = []
        spent_s = 0.0
        for rows, steps in _WARM_UP:
            if spent_s > _WARM_UP_BUDGET_S:
                break
            batch = _blank_batch(signature, rows, steps)
            started_s = self.clock.now()
            await _run(engine, batch)
            first_s = self.clock.now() - started_s
            await _run(engine, batch)
            second_s = self.clock.now() - started_s - first_s
            observations.append((rows, steps, min(first_s, second_s)))
            spent_s += first_s + second_s
        cost.calibrate(observations)
        return cost

    def _serve(
        self, bundle: Bundle, engine: EngineThread, cost: CostModel, golden: GoldenVectors
    ) -> ServedModel:
        manifest, settings = bundle.manifest, self.settings
        signature = manifest.signature
        metrics = self.metrics.for_model(manifest.name, manifest.version)
        scheduler = SequenceBatcher(
            signature,
            engine,
            cost,
            _batch_limits(settings, signature),
            QueueBounds(settings.max_waiting_rows, settings.max_waiting_bytes),
            self.clock,
            metrics,
        )
        metrics.waiting.set_function(lambda: scheduler.waiting)
        symbols = manifest.step.symbols or ()
        return ServedModel(
            manifest=manifest,
            signature=signature,
            scheduler=scheduler,
            engine=engine,
            wording=wording_of(manifest),
            symbol_ids={symbol: index for index, symbol in enumerate(symbols)},
            golden=golden,
            metrics=metrics,
        )


def _batch_limits(settings: Settings, signature: Signature) -> BatchLimits:
    row_steps = min(settings.max_batch_row_steps, settings.max_batch_bytes // signature.step_bytes)
    return BatchLimits(settings.max_batch_rows, max(1, row_steps))


async def _prove(engine: EngineThread, manifest: Manifest, golden: GoldenVectors) -> None:
    """Run the bundle's golden vectors on this machine; raises InvalidBundle where an output is off."""
    for index, (values, due) in enumerate(zip(golden.sequences, golden.outputs, strict=True)):
        name = f"{manifest.name}/{manifest.version}: golden vector {index}"
        try:
            sequence = checked_sequence(values, manifest.signature, len(values), name)
        except InvalidRequest as failure:
            raise InvalidBundle(failure.message) from failure
        result = await _run(engine, _lone_batch(manifest.signature, sequence))
        output = result.output[:, 0] if manifest.signature.has_step_outputs else result.output[0]
        off = float(np.abs(output - due).max()) if output.shape == due.shape else float("inf")
        if not off <= manifest.tolerance.reference:
            raise InvalidBundle(
                f"{name} is off by {off:.2g} on {result.device}, "
                f"its tolerance is {manifest.tolerance.reference:.2g}"
            )


async def _run(engine: EngineThread, batch: Batch) -> BatchResult:
    done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    engine.submit(batch, done.set_result)
    outcome = await done
    if isinstance(outcome, Exception):
        raise InvalidBundle(f"the engine cannot run it: {outcome}") from outcome
    return outcome


def _lone_batch(signature: Signature, sequence: np.ndarray) -> Batch:
    batch = _blank_batch(signature, 1, len(sequence))
    batch.sequence[:, 0] = sequence
    return batch


def _blank_batch(signature: Signature, rows: int, steps: int) -> Batch:
    return Batch(
        np.zeros((steps, rows, *signature.step_shape), dtype=signature.step_datatype.dtype),
        np.full(rows, steps, dtype=np.int32),
        tuple(np.zeros((rows, *state.shape), dtype=np.float32) for state in signature.states),
    )
