"""GET /: the page."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from service.dashboard.page import page
from service.repository.registry import Registry


def dashboard_routes(registry: Registry) -> APIRouter:
    router = APIRouter()

    @router.get("/", include_in_schema=False, response_class=HTMLResponse)
    async def index() -> HTMLResponse:
        return HTMLResponse(page(registry))

    return router
