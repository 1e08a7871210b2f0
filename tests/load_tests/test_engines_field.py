"""Who takes part, and that each runs what the others run."""

from __future__ import annotations

import time

import numpy as np
import pytest
from fake_cuda import FakeCuda
from fake_plans import OnnxModel, Plan
from fake_tensorrt import FakeTensorRt

from load_tests.engines import cudnn_field as cudnn
from load_tests.engines import tensorrt_field as tensorrt
from load_tests.engines.batches import DISTINCT, batch_of, difference, doubling, sequences
from load_tests.engines.bounds import Bounds, free_bytes
from load_tests.engines.comparing import compare_on
from load_tests.engines.contender import Grid
from load_tests.engines.field import cpu_field, field_of
from load_tests.engines.parallel_cpu import ParallelCpu
from load_tests.engines.running import grid_of
from load_tests.engines.tensorrt_field import PlanSupply, profiles_of
from load_tests.engines.torch_lstm import TorchLstmBackend
from load_tests.untrained_bundle import LstmSize, write_untrained_bundle
from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.errors import EngineFailed
from service.plans.cache import PlanCache
from service.plans.driver import Gpu, NoGpu
from service.plans.flavour import NoTensorRt, load_flavour
from service.plans.plan import Precision, Route
from service.repository.golden import GoldenVectors, read_golden
from service.repository.scanner import read_bundle
from service.settings import Settings

NO_GPU = NoGpu("no NVIDIA driver")
ADA = Gpu("a GPU", (8, 9), 1 << 34, (13, 0))


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    size = LstmSize(hidden=8, layers=2, features=5)
    return read_bundle(write_untrained_bundle(tmp_path_factory.mktemp("models"), "lstm", size))


@pytest.fixture
def flavour():
    try:
        return load_flavour(NO_GPU)
    except NoTensorRt as failure:
        pytest.skip(failure.message)


def test_without_a_gpu_the_cpu_competes_with_itself_and_the_others_say_why():
    field = field_of(Settings(), list(Precision), NO_GPU)
    assert {one.engine for one in field.contenders} == {"onnxruntime"}
    assert {one.engine: one.reason for one in field.absent} == {
        "onnxruntime-cuda": "no NVIDIA driver",
        "tensorrt": "no NVIDIA driver",
        "torch.nn.LSTM": "no NVIDIA driver",
    }


def test_the_cpu_is_tried_with_doubling_threads_with_all_cores_and_with_a_session_for_each():
    settings = [one.setting for one in cpu_field(12).contenders]
    threads = ["1 thread", "2 threads", "4 threads", "8 threads", "12 threads"]
    assert settings == [*threads, "12 sessions of 1 thread"]
    assert [one.setting for one in cpu_field(1).contenders] == ["1 thread"]


@pytest.mark.parametrize("name", ["gait", "letters"])
@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_sessions_side_by_side_answer_as_one_does(published, name, rows):
    bundle = read_bundle(published / name / "1")
    signature = bundle.manifest.signature
    batch = batch_of(signature, sequences(signature, read_golden(bundle.folder), 9), rows)
    backends = (OnnxRuntimeBackend(), ParallelCpu(3))
    for backend in backends:
        backend.load(bundle.artifact)
    alone, shared = (backend.run(batch) for backend in backends)
    backends[1].close()
    for a, b in zip((alone.output, *alone.states), (shared.output, *shared.states), strict=True):
        assert np.allclose(a, b, rtol=0, atol=1e-6)


@pytest.mark.usefixtures("flavour")
def test_on_a_gpu_tensorrt_competes_with_and_without_graphs_and_with_its_own_loop():
    field = tensorrt.tensorrt_field(Settings(), ADA, [Precision.FP16])
    assert [str(one).partition("fp16, ")[::2] for one in field.contenders] == [
        ("tensorrt-rtx ", "for 64 rows, CUDA graph"),
        ("tensorrt-rtx ", "for 64 rows, no CUDA graph"),
        ("tensorrt-rtx ", "for all rows, CUDA graph"),
        ("tensorrt-rtx ", "for all rows, no CUDA graph"),
        ("tensorrt-rtx, parser's loop ", "for all rows, CUDA graph"),
    ]
    assert all(one.times_device for one in field.contenders)


def test_where_torch_does_not_reach_the_gpu_the_reference_says_so(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (absent,) = cudnn.cudnn_field(ADA, [Precision.FP32]).absent
    assert absent.reason.endswith("does not reach the GPU: expected a build with CUDA")


def test_tensorrt_is_measured_in_every_setting_with_the_devices_own_time(untrained, monkeypatch):
    cuda = FakeCuda()
    trt = FakeTensorRt(cuda)

    def plans(supply, bundle, profiles):
        model = OnnxModel(bundle.artifact.onnx_path, bundle.manifest.signature)
        named = {f"{profile}".encode(): Plan(model, (profile,)) for profile in profiles}
        trt.plans |= named
        return list(named)

    monkeypatch.setattr(tensorrt, "load_flavour", lambda _: trt.flavour())
    monkeypatch.setattr(tensorrt, "CudaPython", lambda: cuda)
    monkeypatch.setattr(PlanSupply, "plans", plans)
    contenders = tensorrt.tensorrt_field(Settings(), ADA, [Precision.FP32]).contenders
    # However slow this machine is at the moment: nothing is skipped for its time.
    grid, bounds = Grid((1, 2, 128), (4,)), Bounds(repeats=3, seconds=600)
    outcome = compare_on(untrained, contenders, grid, bounds, time.perf_counter, lambda *_: None)
    assert not outcome.unmeasured
    assert len(outcome.measurements) == len(contenders) * 3
    assert all(one.device_s for one in outcome.measurements)
    assert cuda.alive() == {}


def test_plans_are_for_just_the_lengths_and_rows_of_the_comparison():
    grid = Grid((1, 2, 4096), (1, 64))
    assert [str(one) for one in profiles_of(grid, None)] == ["1:1-2048-4096", "64:1-2048-4096"]
    assert [str(one) for one in profiles_of(grid, 64)] == ["1:1-32-64", "64:1-32-64"]


@pytest.mark.parametrize(
    ("precision", "route"), [(Precision.FP16, Route.HOISTED), (Precision.FP32, Route.PARSER)]
)
def test_plans_are_built_once_and_then_found(untrained, flavour, tmp_path, precision, route):
    supply = PlanSupply(flavour, NO_GPU, PlanCache(tmp_path), precision, route)
    profiles = profiles_of(Grid((1, 2), (4,)), None)
    (plan,) = supply.plans(untrained, profiles)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.plan")}
    assert supply.plans(untrained, profiles) == [plan]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.plan")} == written
    assert len(written) == 1


def test_a_plan_that_cannot_be_built_is_refused_with_the_builders_reason(untrained, flavour, tmp_path):
    supply = PlanSupply(flavour, NO_GPU, PlanCache(tmp_path), Precision.FP16, Route.PARSER)
    with pytest.raises(EngineFailed, match=r"4:1-1-2: parser: .* sequence_lens in half precision"):
        supply.plans(untrained, profiles_of(Grid((1, 2), (4,)), None))


@pytest.mark.parametrize(("precision", "allowed"), [("fp32", 1e-6), ("fp16", 2e-3), ("bf16", 2e-2)])
def test_the_reference_in_torch_computes_what_the_bundle_does(untrained, precision, allowed):
    signature = untrained.manifest.signature
    batch = batch_of(signature, sequences(signature, GoldenVectors(), 9), 3)
    for state in batch.states:
        state[:] = np.random.default_rng(1).normal(size=state.shape)
    backends = (OnnxRuntimeBackend(), TorchLstmBackend(Precision(precision), "cpu"))
    for backend in backends:
        backend.load(untrained.artifact)
    due, given = (backend.run(batch) for backend in backends)
    for a, b in zip((due.output, *due.states), (given.output, *given.states), strict=True):
        assert np.abs(a - b).max() < allowed


def test_the_reference_refuses_what_is_not_only_lstm_layers(published):
    with pytest.raises(
        EngineFailed, match=r"only for the untrained bundles of --hidden: this graph has .* beside LSTM"
    ):
        TorchLstmBackend(Precision.FP32, "cpu").load(read_bundle(published / "gait" / "1").artifact)


def test_rows_repeat_the_distinct_sequences_which_are_parts_of_real_ones(published):
    folder = published / "letters" / "1"
    signature = read_bundle(folder).manifest.signature
    golden = read_golden(folder)
    distinct = sequences(signature, golden, 30)
    batch = batch_of(signature, distinct, 40)
    assert batch.sequence.dtype == np.int32
    assert np.array_equal(batch.sequence[:, 35], distinct[:, 35 % DISTINCT])
    text = bytes(np.concatenate([*golden.sequences] * 8).astype(np.uint8))
    assert all(bytes(row.astype(np.uint8)) in text for row in distinct.T)


def test_a_difference_anywhere_is_found(untrained):
    signature = untrained.manifest.signature
    due = np.zeros((DISTINCT, 9), np.float32)
    given = np.zeros((70, 9), np.float32)
    assert difference(signature, given, due) == 0.0
    given[69, 8] = -0.5
    assert difference(signature, given, due) == 0.5
    given[3, 0] = np.nan
    assert np.isnan(difference(signature, given, due))


def test_untrained_bundles_have_the_size_asked_for(untrained):
    signature = untrained.manifest.signature
    assert signature.step_shape == (5,)
    assert [state.shape for state in signature.states] == [(8,)] * 4


def test_lengths_are_those_given_else_the_bundles_own(published):
    golden = read_golden(published / "gait" / "1")
    met = sorted(len(one) for one in golden.sequences)
    assert grid_of(4, (7, 3), golden) == Grid((1, 2, 4), (3, 7))
    assert grid_of(1, (), golden).lengths == tuple(sorted({1, met[len(met) // 2], met[-1]}))
    assert grid_of(1, (), GoldenVectors()).lengths == (1, 16, 64, 256)


def test_rows_double_up_to_a_bound_that_is_included():
    assert [doubling(1, most) for most in (1, 2, 12)] == [(1,), (1, 2), (1, 2, 4, 8, 12)]


def test_half_of_the_free_memory_may_be_used(tmp_path):
    path = tmp_path / "meminfo"
    path.write_text("MemTotal: 900 kB\nMemAvailable:     600 kB\n")
    assert free_bytes(path) == 300 * 1024
    path.write_text("nothing")
    with pytest.raises(OSError, match="expected a line MemAvailable"):
        free_bytes(path)
