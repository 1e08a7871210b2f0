"""A model's counts in the words of the protocol's statistics extension."""

from __future__ import annotations

from typing import Any

from service.repository.served_model import ServedModel
from service.telemetry.counts import BatchCounts, Duration, Statistics

_NONE = Duration(0, 0)


def model_statistics(model: ServedModel) -> dict[str, Any]:
    """ModelStatistics as plain values; there is no response cache, so it neither hits nor misses."""
    counted = model.metrics.statistics
    return {
        "name": model.manifest.name,
        "version": model.manifest.version,
        "last_inference": int(counted.last_request_s * 1000),
        "inference_count": counted.sequences,
        "execution_count": counted.batches,
        "inference_stats": _inference_stats(counted),
        "response_stats": {},
        "batch_stats": [_batch_stats(rows, counted.by_rows[rows]) for rows in sorted(counted.by_rows)],
        "memory_usage": [],
    }


def _inference_stats(counted: Statistics) -> dict[str, dict[str, int]]:
    answered = counted.answered
    return {
        "success": _duration(answered.success),
        "fail": _duration(counted.fail),
        "queue": _duration(answered.queue),
        "compute_input": _duration(answered.compute_input),
        "compute_infer": _duration(answered.compute_infer),
        "compute_output": _duration(answered.compute_output),
        "cache_hit": _duration(_NONE),
        "cache_miss": _duration(_NONE),
    }


def _batch_stats(rows: int, counts: BatchCounts) -> dict[str, Any]:
    return {
        "batch_size": rows,
        "compute_input": _duration(counts.compute_input),
        "compute_infer": _duration(counts.compute_infer),
        "compute_output": _duration(counts.compute_output),
    }


def _duration(duration: Duration) -> dict[str, int]:
    return {"count": duration.count, "ns": duration.ns}
