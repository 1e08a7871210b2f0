"""Which scheduler a model gets, and how large its batches may be."""

from __future__ import annotations

from collections.abc import Callable

from service.backends.fallback import FallbackEngine
from service.batching.cost_model import EngineCosts
from service.batching.partition import BatchLimits
from service.batching.queue_rules import QueueBounds
from service.batching.scheduler import Scheduler
from service.batching.sequence_batcher import SequenceBatcher
from service.batching.share import Share
from service.batching.step_batcher import StepBatcher
from service.domain.clock import Clock
from service.domain.signature import Signature
from service.domain.tracing import BatchObserver
from service.repository.manifest import ONNX, Manifest
from service.sessions.session import SessionLimits
from service.sessions.sessions import Sessions
from service.sessions.snapshot import Origin, fingerprint_of
from service.settings import Settings
from service.telemetry.metrics import ModelMetrics


def scheduler_of(
    settings: Settings,
    manifest: Manifest,
    engines: FallbackEngine,
    costs: EngineCosts,
    clock: Clock,
    metrics: ModelMetrics,
    observer: BatchObserver | None,
) -> Scheduler:
    """The carousel for a causal model, unless the settings say otherwise; whole sequences for the others."""
    signature = manifest.signature
    limits = _limits(settings, signature, engines)
    bounds = QueueBounds(settings.max_waiting_rows, settings.max_waiting_bytes)
    is_carousel = manifest.causal and signature.states and manifest.name not in settings.whole_sequences
    if not is_carousel:
        return SequenceBatcher(signature, engines, costs, limits, bounds, clock, metrics, observer)
    tick_s, share = settings.max_tick_s, Share(settings.stream_weight)
    return StepBatcher(signature, engines, costs, limits, bounds, clock, metrics, observer, tick_s, share)


def sessions_of(
    settings: Settings, manifest: Manifest, scheduler: Scheduler, clock: Clock, metrics: ModelMetrics
) -> Sessions | None:
    """Streams of a model that is on the carousel; None for any other."""
    if not isinstance(scheduler, StepBatcher):
        return None
    limits = SessionLimits(
        settings.max_sessions, settings.max_session_bytes, settings.session_idle_s, settings.session_ttl_s
    )
    signature = manifest.signature
    fingerprint = fingerprint_of(manifest.files[ONNX], signature.states)
    origin = Origin(manifest.name, manifest.version, fingerprint, signature)
    return Sessions(scheduler.slots, limits, clock, metrics.sessions, origin)


def _limits(settings: Settings, signature: Signature, engines: FallbackEngine) -> Callable[[], BatchLimits]:
    """The largest batch of the device in use: what fills a CPU leaves a GPU idle."""
    most = settings.max_batch_bytes // signature.step_bytes
    cpu = BatchLimits(settings.max_batch_rows, max(1, min(settings.max_batch_row_steps, most)))
    gpu = BatchLimits(settings.gpu_max_batch_rows, max(1, min(settings.gpu_max_batch_row_steps, most)))
    return lambda: gpu if engines.capability.device == "gpu" else cpu
