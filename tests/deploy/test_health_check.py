"""The image's question for the health, run as Docker runs it, against servers of every kind."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest
from certificates import Certificates
from live_server import LiveServer
from on_a_loop import on_a_loop

from service.api.http_server import HealthPort
from service.api.tls import serving_context, tls_files
from service.settings import Settings


async def health_check(dockerfile, **environment: str) -> int:
    (check,) = dockerfile.arguments("HEALTHCHECK")
    _, *arguments = json.loads(check[check.index("[") :])
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    return await process.wait()


@pytest.mark.parametrize("kind", ["plain", "tls", "mutual"])
@on_a_loop
async def test_the_image_knows_whether_its_server_is_ready(dockerfile, tmp_path, kind):
    certificates = Certificates(tmp_path)
    files = {"plain": {}, "tls": certificates.settings, "mutual": certificates.mutual}[kind]
    given = tls_files(Settings(**files))
    async with LiveServer(tls=given and serving_context(given), host="127.0.0.1", **files) as server:
        environment = {f"CAROUSEL_{name.upper()}": str(path) for name, path in files.items()}
        environment["CAROUSEL_PORT"] = str(server.address[1])
        carousel = server.memory.carousel
        port = HealthPort(carousel, carousel.settings, carousel.errors)
        if kind == "mutual":
            environment["CAROUSEL_HEALTH_PORT"] = str((await port.start(0))[1])
        assert await health_check(dockerfile, **environment) == 0
        carousel.drain()
        assert await health_check(dockerfile, **environment) == 1
        port.stop()
