"""One application with two released bundles, for all tests of a module, and the loop it lives on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvloop
from live_bundles import LiveBundles, live_bundles

from service.repository.golden import GoldenVectors, read_golden
from service.repository.manifest import Manifest
from service.repository.scanner import read_bundle

MODELS = Path(__file__).parents[3] / "models"
# Numbers that answer once a sequence, and symbols that are answered at each step.
NAMES = ("traffic", "moby")
_LONGEST_S = 30.0


@dataclass(frozen=True)
class Shown:
    """A bundle's own proof: sequences, and what float64 says of each whole one."""

    name: str
    golden: GoldenVectors
    manifest: Manifest

    @property
    def tolerance(self) -> float:
        """Of an engine's float32, cut into chunks, to the golden float64."""
        return self.manifest.tolerance.reference + self.manifest.tolerance.chunked


@dataclass(frozen=True)
class Stage:
    """The application and its loop."""

    runner: asyncio.Runner
    served: LiveBundles

    def play(self, scenario: Coroutine[Any, Any, None]) -> None:
        """On the loop of the application; afterwards no session is open and no state is in use."""
        tables = [self.served.sessions(name) for name in NAMES]
        try:
            self.runner.run(asyncio.wait_for(scenario, _LONGEST_S))
            assert [len(sessions) for sessions in tables] == [0] * len(NAMES)
        finally:
            # What one scenario has left behind is not the next one's failure.
            for sessions in tables:
                sessions.close_all("test")
        assert [sessions._slots.in_use for sessions in tables] == [0] * len(NAMES)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        application = live_bundles(MODELS, models=frozenset(NAMES))
        served = runner.run(application.__aenter__())
        yield Stage(runner, served)
        runner.run(application.__aexit__(None, None, None))


@pytest.fixture(scope="module", params=NAMES)
def shown(request: pytest.FixtureRequest) -> Shown:
    folder = MODELS / request.param / "1"
    return Shown(request.param, read_golden(folder), read_bundle(folder).manifest)
