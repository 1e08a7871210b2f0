"""Which engines this machine offers, and how a bundle's plans get from the builder to the backend."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path

import pytest
from forked_process import ForkedProcess
from on_a_loop import on_a_loop

from service.errors import EngineFailed
from service.plans.driver import Gpu, NoGpu, find_gpu
from service.plans.plan import Precision
from service.repository import engine_sources as module
from service.repository.engine_sources import CudaSource, TensorRtSource, engine_sources
from service.repository.golden import read_golden
from service.repository.proving import tolerance_of
from service.repository.scanner import read_bundle
from service.settings import Settings

H200 = Gpu("NVIDIA H200", (9, 0), 139 << 30, (13, 0))
VOWELS = Path("models/vowels/1")

without_gpu = pytest.mark.skipif(isinstance(find_gpu(), Gpu), reason="there is a GPU here")


def test_without_a_gpu_there_is_none():
    assert not engine_sources(Settings(), lambda: NoGpu("no NVIDIA driver"))


def test_a_gpu_is_used_through_tensorrt_first_and_then_through_onnx_runtime():
    pytest.importorskip("tensorrt_rtx_bindings")
    first, second = engine_sources(Settings(), lambda: H200)
    assert isinstance(first, TensorRtSource)
    assert first.name.startswith("tensorrt")
    assert isinstance(second, CudaSource)


def test_settings_say_which_engines_are_wanted():
    settings = Settings(engines=("onnxruntime-cuda",))
    assert [source.name for source in engine_sources(settings, lambda: H200)] == ["onnxruntime-cuda"]
    assert not engine_sources(Settings(engines=()), lambda: H200)


def test_half_precision_is_given_more_room_and_fp32_what_the_manifest_says():
    bundle, golden = read_bundle(VOWELS), read_golden(VOWELS)
    allowed = [tolerance_of(bundle.manifest, golden, precision) for precision in Precision]
    assert allowed == sorted(allowed)
    assert allowed[0] == bundle.manifest.tolerance.reference


def tensorrt_source(plans_dir):
    """TensorRT-RTX as if there were a GPU; the plans are built for what RTX builds for by default."""
    settings = Settings(engines=("tensorrt",), plans_dir=plans_dir, gpu_precision="fp16")
    (source,) = engine_sources(settings, lambda: H200)
    return source


def report(name, *arguments):
    """Of a process that was forked, which spares it the second that importing what it needs takes."""
    with Path("/dev/null").open("w") as nowhere:
        said, _ = ForkedProcess([sys.executable, "-m", name, *arguments], stderr=nowhere).communicate()
    return json.loads(said)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder of a bundle's plans, built once since that takes seconds, and what making them ended with."""
    pytest.importorskip("tensorrt_rtx_bindings")
    folder = tmp_path_factory.mktemp("built") / "plans"
    source, bundle = tensorrt_source(folder), read_bundle(VOWELS)
    with pytest.raises(EngineFailed, match="there is no plan: none was built"):
        source.plans(bundle)
    with pytest.raises(EngineFailed) as refusal:
        asyncio.run(source.prepare(bundle))
    return folder, str(refusal.value)


@without_gpu
def test_missing_plans_are_built_by_another_process_and_then_tried_by_one(built):
    folder, said = built
    assert "there is no tensorrt-rtx here" in said
    assert tensorrt_source(folder).plans(read_bundle(VOWELS))


@without_gpu
@on_a_loop
async def test_a_plan_that_is_spoilt_is_built_anew(built, tmp_path, monkeypatch):
    async def tried(bundle, engine):
        """As if it had worked."""

    async def reported(name, arguments, _limit_s):
        return await asyncio.to_thread(report, name, *arguments)

    monkeypatch.setattr(module, "tried", tried)
    monkeypatch.setattr(module, "report_of", reported)
    source, bundle = tensorrt_source(shutil.copytree(built[0], tmp_path / "plans")), read_bundle(VOWELS)
    count = len(source.plans(bundle))
    plan = next(source.cache.folder.glob("*.plan"))
    plan.write_bytes(plan.read_bytes()[:-1])
    assert len(source.plans(bundle)) == count - 1
    await source.prepare(bundle)
    assert len(source.plans(bundle)) == count


@without_gpu
def test_a_plan_does_not_load_without_a_gpu_and_says_so(built):
    with pytest.raises(EngineFailed, match="CUDA"):
        tensorrt_source(built[0]).load(read_bundle(VOWELS))


@without_gpu
def test_the_trial_reports_what_it_found():
    assert report("service.trial", VOWELS, "onnxruntime-cuda") == {
        "ok": False,
        "error": "engine: there is no onnxruntime-cuda here, there are: none",
    }


def test_the_trial_of_a_bundle_that_is_not_there_names_it():
    told = report("service.trial", "models/nobody/1", "onnxruntime-cuda")
    assert not told["ok"]
    assert "models/nobody/1" in told["error"]
