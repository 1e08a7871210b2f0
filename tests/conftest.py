"""What all tests share: hypothesis draws the same examples each time, and no example is too slow."""

from __future__ import annotations

import gc
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from drawn import DAILY, USUAL
from hypothesis import HealthCheck, settings

# No test finds what another has left behind.
os.environ.setdefault("CAROUSEL_SESSION_STORE", "none")
# Before torch is imported: its threads wait for each other by spinning, on cores that other tests are using.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine draws slowly.
EVER = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("carousel", derandomize=True, max_examples=DAILY, **EVER)
# Twenty-five times as many, and others each time: pytest --hypothesis-profile=thorough
settings.register_profile("thorough", max_examples=10 * USUAL, **EVER)
settings.load_profile("carousel")


# Until all is imported: little of it is garbage.
gc.disable()


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what collecting has imported, a million objects that stay."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small bundles, to be read only."""
    from bundles import publish_bundles

    return publish_bundles(tmp_path_factory.mktemp("published"))


@pytest.fixture
def logged() -> Iterator[list[logging.LogRecord]]:
    """What libraries log meanwhile, which pytest need not listen to in each of four thousand tests."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append
    logging.getLogger().addHandler(handler)
    yield records
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def models_dir(published: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoilt."""
    return shutil.copytree(published, tmp_path / "models")


@pytest.fixture(scope="session")
def contents(tmp_path_factory: pytest.TempPathFactory):
    """Two bundles whose answers tell them apart."""
    from bundles import publish_gait
    from changing_models import Contents, learn

    folders = {name: publish_gait(tmp_path_factory.mktemp(name), seed) for name, seed in (("a", 5), ("b", 6))}
    for name, folder in folders.items():
        learn(name, folder)
    return Contents(folders)
