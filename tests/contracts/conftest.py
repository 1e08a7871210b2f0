"""A backend, loaded with a network of each kind, once a session."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from fake_gpu import OnnxOnFakeGpu
from random_networks import KINDS, RandomNetwork, random_network

from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.backends.protocol import Backend

BACKENDS = {"onnxruntime": OnnxRuntimeBackend, "tensorrt on a fake device": OnnxOnFakeGpu}


@dataclass(frozen=True)
class Loaded:
    """A backend and the network it is loaded with."""

    backend: Backend
    network: RandomNetwork


@pytest.fixture(scope="session", params=KINDS)
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RandomNetwork:
    return random_network(request.param, tmp_path_factory.mktemp("network"))


@pytest.fixture(scope="session", params=BACKENDS)
def loaded(request: pytest.FixtureRequest, network: RandomNetwork) -> Iterator[Loaded]:
    backend = BACKENDS[request.param]()
    backend.load(network.artifact)
    yield Loaded(backend, network)
    backend.close()
