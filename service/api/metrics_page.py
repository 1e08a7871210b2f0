"""GET /metrics: the Prometheus text format."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from service.domain.clock import Clock

# Of the event loop's time: a page takes milliseconds, and anybody may ask for it as often as he likes.
_MOST_SHARE = 0.1


class MetricsPage:
    """The page's bytes, made anew unless that would take more than its share of the time."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._page = b""
        self._fresh_until_s = float("-inf")

    def page(self) -> bytes:
        started_s = self._clock.now()
        if started_s >= self._fresh_until_s:
            self._page = generate_latest(self._registry)
            ended_s = self._clock.now()
            self._fresh_until_s = ended_s + (ended_s - started_s) * (1 / _MOST_SHARE - 1)
        return self._page


def metrics_route(registry: CollectorRegistry, clock: Clock) -> APIRouter:
    router = APIRouter(tags=["Operations"])
    page = MetricsPage(registry, clock)

    @router.get("/metrics", summary="Metrics in the Prometheus text format", response_class=Response)
    async def metrics() -> Response:
        return Response(page.page(), media_type=CONTENT_TYPE_LATEST)

    return router
