"""The hot path's histogram says what prometheus-client's own would say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from service.telemetry.loop_histogram import LoopHistogram

BOUNDS = (0.5, 1, 2.5, 10)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([0, 0.5, 0.7, 1.0, 2.5, 3, 10, 11, 1e9]))))
def test_its_page_is_the_page_of_prometheus_client(observations):
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    own = LoopHistogram("wait", "Wait.", ("model",), BOUNDS, ours)
    reference = Histogram("wait", "Wait.", ("model",), buckets=BOUNDS, registry=theirs)
    for model, value in observations:
        own.labels(model).observe(value)
        reference.labels(model).observe(value)
    assert generate_latest(ours) == without_creation_times(generate_latest(theirs))


def without_creation_times(page: bytes) -> bytes:
    return b"".join(line for line in page.splitlines(keepends=True) if b"_created" not in line)
