"""A server whose models_dir is changed while it serves: bundles of `gait` whose answers tell them apart."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from serving import running
from spoilt_bundles import seal

from service.app import Carousel
from service.repository.manifest import MANIFEST, ONNX
from service.settings import Settings

ASKED = [[1.0, 2.0], [3.0, 4.0], [-2.0, 0.5]]


class Contents:
    """`a` and `b`: two bundles of one contract whose answers differ."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self.folders = folders

    def put(self, models_dir: Path, content: str, version: str = "1", name: str = "gait") -> Path:
        """Have the version lie in models_dir whole, at once, in place of what lay there."""
        folder = models_dir / name / version
        made = models_dir / ".making"
        shutil.copytree(self.folders[content], made)
        seal(made, version=version, name=name)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        made.rename(folder)
        return folder


class ChangingServer:
    """`look` is what a watcher does, twice what it takes to see a change."""

    def __init__(self, models_dir: Path, **settings: Any) -> None:
        defaults = {"model_control": "open", "engines": (), "models": frozenset({"gait"})}
        self.carousel = Carousel(Settings(models_dir=models_dir, **defaults | settings))
        transport = httpx.ASGITransport(app=self.carousel)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://carousel", timeout=20)

    async def look(self, times: int = 1) -> None:
        for _ in range(times):
            for task in await self.carousel.lifecycle.look():
                await task

    async def all_left(self) -> None:
        await self.carousel.lifecycle._replacement.departures.close()

    async def load(self, name: str = "gait", body: Any = None) -> httpx.Response:
        return await self.client.post(f"/v2/repository/models/{name}/load", json=body)

    async def unload(self, name: str = "gait") -> httpx.Response:
        return await self.client.post(f"/v2/repository/models/{name}/unload")

    async def ask(self, path: str = "gait") -> httpx.Response:
        return await self.client.post(f"/predict/{path}", json={"sequence": ASKED, "include_outputs": True})

    async def serving(self, path: str = "gait") -> tuple[str, str]:
        """Version and content of what answers."""
        answer = (await self.ask(path)).json()
        return answer["version"], content_of(answer)

    async def index(self) -> dict[str, tuple[str, str]]:
        """State and reason of each version of `gait`."""
        entries = (await self.client.post("/v2/repository/index")).json()
        return {e["version"]: (e["state"], e["reason"]) for e in entries if e["name"] == "gait"}

    def metric(self, name: str, **labels: str) -> float | None:
        return self.carousel.metrics.registry.get_sample_value(f"carousel_{name}", labels)


_DUE: dict[str, np.ndarray] = {}


def content_of(answer: Any) -> str:
    """Which content an answer to ASKED is of; an answer of neither is an error."""
    output = np.array(answer["predictions"][0]["output"])
    (content,) = [name for name, due in _DUE.items() if np.allclose(output, due, atol=1e-5)]
    return content


def learn(content: str, folder: Path) -> None:
    """Compute what a content answers, in a session of its own."""
    from onnxruntime import InferenceSession

    session = InferenceSession(folder / ONNX)
    manifest = json.loads((folder / MANIFEST).read_text())
    states = {s["input"]: np.zeros((1, *s["shape"]), np.float32) for s in manifest["states"]}
    inputs = {"sequence": np.array(ASKED, np.float32)[:, None], "lengths": np.array([len(ASKED)], np.int32)}
    _DUE[content] = session.run(["output"], inputs | states)[0][0]


@asynccontextmanager
async def changing(models_dir: Path, **settings: Any) -> AsyncIterator[ChangingServer]:
    server = ChangingServer(models_dir, **settings)
    async with server.client, running(server.carousel):
        yield server
