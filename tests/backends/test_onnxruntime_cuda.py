"""ONNX Runtime on the GPU: either all that matters runs there, or the engine is refused by name."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fakes import running_sum_signature

from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.backends.onnxruntime_import import ort
from service.backends.onnxruntime_session import CUDA
from service.backends.protocol import Artifact
from service.domain.batches import Batch
from service.errors import EngineFailed, EngineOutOfMemory

CPU = "CPUExecutionProvider"
# A file that is there; the stand-in reads nothing in it.
ARTIFACT = Artifact(Path(__file__), running_sum_signature())
BATCH = Batch(np.zeros((1, 1, 2), np.float32), np.ones(1, np.int32), (np.zeros((1, 2), np.float32),))


class StandIn:
    """The module onnxruntime with a CUDA provider, and the session it makes."""

    def __init__(
        self, placed: dict[str, list[str]] | None = None, started: tuple[str, ...] = (CUDA, CPU)
    ) -> None:
        self.placed = placed or {}
        self.started = started
        self.events: list[str] = []
        self.entries: dict[str, str] = {}
        self.providers: list[Any] = []
        self.failure: Exception | None = None

    def get_available_providers(self) -> list[str]:
        return [CUDA, CPU]

    def preload_dlls(self) -> None:
        self.events.append("libraries")

    def SessionOptions(self) -> SimpleNamespace:  # noqa: N802 - ONNX Runtime's name
        return SimpleNamespace(add_session_config_entry=self.entries.__setitem__)

    def InferenceSession(  # noqa: N802
        self, content: bytes, options: object, providers: list[Any], enable_fallback: int
    ) -> StandIn:
        self.events.append("session")
        self.providers = providers
        return self

    def get_providers(self) -> tuple[str, ...]:
        return self.started

    def disable_fallback(self) -> None:
        self.events.append("no fallback")

    def get_provider_graph_assignment_info(self) -> list[SimpleNamespace]:
        return [
            SimpleNamespace(
                ep_name=provider,
                get_nodes=lambda kinds=kinds: [SimpleNamespace(name=f"{k}_1", op_type=k) for k in kinds],
            )
            for provider, kinds in self.placed.items()
        ]

    def run(self, names: list[str], feeds: dict[str, Any]) -> list[Any]:
        if self.failure:
            raise self.failure
        return [np.zeros((1, 2), np.float32)] * len(names)


def loaded(runtime: StandIn) -> OnnxRuntimeBackend:
    backend = OnnxRuntimeBackend(device="cuda", runtime=runtime)
    backend.load(ARTIFACT)
    return backend


def test_the_gpu_is_asked_for_first_and_for_full_float32():
    runtime = StandIn()
    backend = loaded(runtime)
    (provider, options), fallback = runtime.providers
    assert (provider, options["use_tf32"], fallback) == (CUDA, "0", CPU)
    assert runtime.events == ["libraries", "session", "no fallback"]
    assert (backend.capability.device, backend.capability.engine) == ("gpu", "onnxruntime-cuda")
    assert backend.run(BATCH).device == "gpu"


def test_a_session_that_fell_back_to_the_cpu_is_refused():
    with pytest.raises(EngineFailed, match=f"could not start its {CUDA} and took {CPU}"):
        loaded(StandIn(started=(CPU,)))


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "Scan", "FusedConv", "Gemm"])
def test_a_heavy_node_on_the_cpu_is_refused_by_name(kind):
    placed = {CUDA: ["MatMul"], CPU: ["Gather", kind]}
    with pytest.raises(EngineFailed, match=rf"would run {kind}_1 \({kind}\) on the CPU"):
        loaded(StandIn(placed))


def test_arithmetic_on_shapes_may_stay_on_the_cpu():
    loaded(StandIn({CUDA: ["LSTM", "Gemm"], CPU: ["Gather", "Unsqueeze", "Concat"]}))


def test_a_runtime_that_cannot_say_where_it_runs_a_model_is_refused(monkeypatch):
    monkeypatch.delattr(StandIn, "get_provider_graph_assignment_info")
    with pytest.raises(EngineFailed, match="expected a newer one"):
        loaded(StandIn())


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("CUDA failure 2: out of memory", EngineOutOfMemory),
        ("BFCArena: Failed to allocate memory for requested buffer", EngineOutOfMemory),
        ("CUDNN_STATUS_EXECUTION_FAILED", EngineFailed),
    ],
)
def test_a_lack_of_memory_is_told_as_such(words, kind):
    runtime = StandIn()
    backend = loaded(runtime)
    runtime.failure = RuntimeError(words)
    with pytest.raises(EngineFailed, match=words) as caught:
        backend.run(BATCH)
    assert type(caught.value) is kind


def test_without_the_gpu_s_package_its_name_is_told(published):
    if CUDA in ort.get_available_providers():
        pytest.skip("this ONNX Runtime has the CUDA provider")
    with pytest.raises(EngineFailed, match="expected the package onnxruntime-gpu"):
        OnnxRuntimeBackend(device="cuda").load(ARTIFACT)


def test_the_real_runtime_says_where_it_runs_every_heavy_node(published):
    options = ort.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    session = ort.InferenceSession(str(published / "gait/1/model.onnx"), options, providers=[CPU])
    placed = session.get_provider_graph_assignment_info()
    assert {part.ep_name for part in placed} == {CPU}
    assert "LSTM" in {node.op_type for part in placed for node in part.get_nodes()}
