"""`carousel doctor`: what a machine lacks is said with what to do; only what stops serving is an error."""

from __future__ import annotations

import re

import pytest
from plan_records import identity, record
from typer.testing import CliRunner

from cli import findings, gpu_findings
from cli.main import app
from service.backends.cuda import CudaFailed
from service.backends.onnxruntime_import import ort
from service.plans.cache import PlanCache
from service.plans.driver import Gpu, NoGpu
from service.plans.flavour import Flavour, NoTensorRt
from service.plans.request import this_platform
from service.plans.tensorrt_log import TensorRtLog
from service.repository.scanner import read_bundle

H200 = Gpu("NVIDIA H200", (9, 0), 141 << 30, (13, 2))


@pytest.fixture
def doctor(models_dir, tmp_path, monkeypatch):
    """Consult it about a machine with this GPU and this TensorRT."""
    monkeypatch.chdir(tmp_path)

    def consult(device=H200, flavour=("tensorrt", "11.4.0.106")):
        def load(_):
            if flavour is None:
                raise NoTensorRt("no TensorRT can be used here")
            return Flavour(*flavour, None, None, TensorRtLog())

        monkeypatch.setattr(gpu_findings, "find_gpu", lambda: device)
        monkeypatch.setattr(gpu_findings, "load_flavour", load)
        return CliRunner().invoke(app, ["doctor"])

    return consult


def store(tmp_path, **changed):
    plan = str(changed).encode()
    PlanCache(tmp_path / "plans").store(plan, record(plan, identity(**changed)))


@pytest.fixture
def here(models_dir):
    """The identity of a plan that full TensorRT can use on the H200."""
    return {
        "flavour": "tensorrt",
        "version": "11.4.0.106",
        "target": str(H200),
        "platform": this_platform(),
        "onnx_sha256": read_bundle(models_dir / "gait" / "1").manifest.files["model.onnx"],
    }


def test_a_machine_without_a_gpu_serves_on_the_cpu_and_is_told_why(doctor):
    result = doctor(NoGpu("no NVIDIA driver: libcuda.so.1: no such file"), None)
    assert result.exit_code == 0
    assert re.search(r"-- +GPU +no NVIDIA driver: .*none needed to serve on the CPU", result.output)
    assert re.search(r"-- +TensorRT +no TensorRT can be used here +only for a GPU", result.output)
    assert "can serve on the CPU (for a GPU it lacks: GPU, TensorRT)" in result.output


def test_a_whole_gpu_machine_is_praised_line_by_line(doctor, tmp_path, here):
    store(tmp_path, **here)
    result = doctor()
    assert result.exit_code == 0
    assert re.search(
        r"ok +GPU +NVIDIA H200 \(compute capability 9\.0\), 141 GiB, driver for CUDA 13\.2", result.output
    )
    assert re.search(r"ok +CUDA runtime +cuda-bindings 1\d", result.output)
    assert re.search(r"ok +TensorRT +tensorrt 11\.4\.0\.106", result.output)
    assert re.search(r"ok +plans +1 in plans, 1 valid here", result.output)
    assert "can serve on the GPU" in result.output


def test_a_driver_too_old_for_the_cuda_runtime_is_named_with_both_remedies(doctor):
    result = doctor(Gpu("Tesla T4", (7, 5), 16 << 30, (12, 8)))
    assert re.search(r"-- +CUDA runtime .*the driver runs CUDA 12 +a driver for CUDA 13, or", result.output)


def test_a_gpu_without_tensorrt_is_told_what_to_install(doctor):
    result = doctor(H200, None)
    assert result.exit_code == 0
    assert re.search(r"-- +TensorRT .*pip install -e '\.\[gpu\]'", result.output)


def test_a_gpu_with_onnx_runtime_s_cuda_provider_serves_without_tensorrt(doctor, monkeypatch):
    monkeypatch.setattr(
        ort, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    result = doctor(H200, None)
    assert re.search(r"ok +CUDA provider +CUDAExecutionProvider", result.output)
    assert "can serve on the GPU" in result.output
    assert "can serve on the CPU" in doctor(NoGpu("no driver"), None).output


def test_stale_plans_are_counted_with_their_reason(doctor, tmp_path, here):
    store(tmp_path, **here)
    store(tmp_path, **here | {"version": "10.16.1.11"})
    store(tmp_path, **here | {"target": "NVIDIA L4 (compute capability 8.9)"})
    result = doctor()
    assert result.exit_code == 0
    assert "3 in plans, 1 valid here" in result.output
    assert "1: version 10.16.1.11 is not 11.4.0.106" in result.output
    assert "1: target NVIDIA L4 (compute capability 8.9) is not NVIDIA H200" in result.output
    assert "carousel build --all; what is not valid is passed over, delete it from plans" in result.output


def test_an_empty_cache_is_told_how_to_fill_it(doctor):
    assert re.search(
        r"-- +plans +0 in plans, 0 valid here +carousel build --all *$", doctor().output, re.MULTILINE
    )


def test_looking_at_plans_does_not_count_as_using_them(doctor, tmp_path, here):
    store(tmp_path, **here)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "plans").iterdir()}
    doctor()
    assert {path: path.stat().st_mtime_ns for path in files} == files


def test_bundles_that_cannot_be_served_are_the_verdict(doctor, models_dir):
    for name in ("gait", "letters"):
        (models_dir / name / "1" / "model.onnx").write_bytes(b"")
    result = doctor()
    assert result.exit_code == 1
    assert "cannot serve: see bundles" in result.output


def test_a_bundle_that_cannot_be_served_is_named_and_the_others_can(doctor, models_dir):
    (models_dir / "gait" / "1" / "model.onnx").write_bytes(b"")
    result = doctor()
    assert result.exit_code == 0
    assert "1 of 2 in" in result.output
    assert "gait/1/model.onnx" in result.output.replace("\n", "")


def test_an_onnx_runtime_without_a_cpu_is_the_verdict(doctor, monkeypatch):
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    result = doctor()
    assert result.exit_code == 1
    assert "cannot serve: see ONNX Runtime" in result.output


def test_a_missing_package_is_not_needed_to_serve():
    finding = findings._package("surely-not-installed", False, "pip install it")
    assert (finding.found, finding.is_good, finding.is_needed) == ("not installed", False, False)


def test_whether_states_can_stay_on_the_gpu_is_said_where_there_is_one(doctor, monkeypatch):
    assert re.search(r"ok +states on the GPU +kernels compiled for sm_90", doctor().output)

    def no_compiler(_: str):
        raise CudaFailed("NVRTC is not here")

    monkeypatch.setattr(gpu_findings, "compiled", no_compiler)
    assert "nvidia-cuda-nvrtc==13.*" in " ".join(doctor().output.split())
    assert "states on the GPU" not in doctor(NoGpu("no driver"), None).output
