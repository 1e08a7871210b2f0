"""/metrics takes its share of the time and no more, however often it is asked for."""

from __future__ import annotations

from fakes import ManualClock
from prometheus_client import CollectorRegistry, Gauge

from service.api.metrics_page import MetricsPage


class SlowGauge(Gauge):
    """Turns the clock's hands whenever it is collected."""

    clock: ManualClock
    collected = 0

    def collect(self):
        self.clock.advance(0.01)
        SlowGauge.collected += 1
        return super().collect()


def test_a_page_is_made_anew_once_the_last_one_has_cost_no_more_than_a_tenth_of_the_time():
    registry, clock = CollectorRegistry(), ManualClock()
    gauge = SlowGauge("size", "A size.", registry=registry)
    gauge.clock = clock
    page = MetricsPage(registry, clock)
    gauge.set(1)
    before = SlowGauge.collected
    first = page.page()
    assert b"size 1.0" in first
    gauge.set(2)
    clock.advance(0.08)
    assert page.page() is first
    assert SlowGauge.collected == before + 1
    clock.advance(0.02)
    assert b"size 2.0" in page.page()
