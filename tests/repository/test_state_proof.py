"""A manifest that pairs states wrongly is refused, whatever names and shapes say."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import numpy as np
import pytest
from fakes import RunningSumBackend
from memory_server import manifest_of
from on_a_loop import on_a_loop
from prometheus_client import CollectorRegistry
from spoilt_bundles import seal

from service.backends.engine_thread import EngineThread
from service.domain.batches import Batch, BatchResult
from service.domain.clock import LoopClock
from service.errors import InvalidBundle
from service.repository.golden import GoldenVectors
from service.repository.loader import Loader
from service.repository.manifest import GOLDEN, MANIFEST
from service.repository.state_proof import prove_states
from service.settings import Settings
from service.telemetry.metrics import Metrics


def load(folder) -> None:
    async def scenario() -> None:
        loaded = await Loader(Settings(), Metrics(CollectorRegistry()), LoopClock()).load(folder)
        await loaded.close()

    asyncio.run(scenario())


def exchanged(folder) -> tuple[str, str]:
    """Exchange the outputs of the first two states, as a wrong manifest has them."""
    states = json.loads((folder / MANIFEST).read_text())["states"]
    one, other = states[0]["output"], states[1]["output"]
    states[0]["output"], states[1]["output"] = other, one
    seal(folder, states=states)
    return other, one


@pytest.mark.parametrize("has_golden", [True, False])
def test_exchanged_states_are_refused_by_their_names(models_dir, has_golden):
    folder = models_dir / "gait" / "1"
    if not has_golden:
        content = json.loads((folder / MANIFEST).read_text())
        del content["files"][GOLDEN]
        (folder / MANIFEST).write_text(json.dumps(content))
        (folder / GOLDEN).unlink()
    load(folder)
    one, other = exchanged(folder)
    with pytest.raises(InvalidBundle, match=f"with {one} and {other} exchanged they agree"):
        load(folder)


class Stateless(RunningSumBackend):
    """Whatever it is given, it ends where a fresh one ends."""

    def run(self, batch: Batch) -> BatchResult:
        result = super().run(batch)
        return replace(result, states=(np.zeros_like(result.states[0]),))


@on_a_loop
async def test_states_that_change_nothing_are_refused():
    backend = Stateless()
    engine = EngineThread(backend, "stateless", asyncio.get_running_loop())
    engine.start()
    with pytest.raises(InvalidBundle, match="sums/1: states: they change nothing"):
        await prove_states(engine, manifest_of("sums", backend), GoldenVectors())
    await engine.stop()
