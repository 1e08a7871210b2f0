"""The application with bundles from disk, after its start-up, and a client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from quick_routes import remember_endpoints

from service.app import Carousel
from service.settings import Settings

remember_endpoints()


@asynccontextmanager
async def running(carousel: Carousel):
    """From its start to its stop."""
    await carousel.start()
    try:
        yield
    finally:
        await carousel.stop()


@asynccontextmanager
async def serving(models_dir: Path, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    carousel = Carousel(Settings(models_dir=models_dir, **settings))
    transport = httpx.ASGITransport(app=carousel)
    async with (
        running(carousel),
        httpx.AsyncClient(transport=transport, base_url="http://carousel") as client,
    ):
        yield client
