"""A histogram for the hot path: prometheus-client's exposition without its locks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector


class Observations:
    """One labelled series: how many observations fell under each bound, and their sum."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def cumulative(self) -> tuple[list[tuple[str, float]], float]:
        """`(upper bound, observations up to it)` as Prometheus has it, and the sum of all."""
        buckets: list[tuple[str, float]] = []
        total = 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            total += count
            buckets.append(("+Inf" if bound == float("inf") else str(float(bound)), total))
        return buckets, self._sum


class LoopHistogram(Collector):
    """Observed on the event loop only and collected there, so nothing needs a lock.

    prometheus-client's own takes two locks and several calls for each observation: with three
    observations a request that was a tenth of all the Python a small request cost.
    """

    def __init__(
        self,
        name: str,
        text: str,
        labels: Sequence[str],
        bounds: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._name, self._text, self._labels, self._bounds = name, text, labels, bounds
        self._series: dict[tuple[str, ...], Observations] = {}
        registry.register(self)

    def labels(self, *values: str) -> Observations:
        return self._series.setdefault(values, Observations(self._bounds))

    def remove_by_labels(self, labels: Mapping[str, str]) -> None:
        """Forget every series with these labels, whatever its others are."""
        wanted = {self._labels.index(label): value for label, value in labels.items()}
        for values in list(self._series):
            if all(values[place] == value for place, value in wanted.items()):
                del self._series[values]

    def describe(self) -> Iterable[Metric]:
        return [HistogramMetricFamily(self._name, self._text, labels=self._labels)]

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        for values, observations in self._series.items():
            buckets, total = observations.cumulative()
            family.add_metric(values, buckets, total)
        return [family]
