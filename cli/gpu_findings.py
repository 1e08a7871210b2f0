"""What the doctor looks at for serving on a GPU. Nothing here is needed: the CPU engine serves without."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cli.finding import Finding
from service.backends.cuda import CudaFailed
from service.backends.cuda_rows import compiled
from service.errors import InvalidBundle
from service.plans.cache import PlanCache
from service.plans.driver import Device, Gpu, find_gpu
from service.plans.flavour import Flavour, NoTensorRt, load_flavour
from service.plans.inventory import inventory
from service.repository.manifest import ONNX
from service.repository.scanner import bundle_folders, read_bundle
from service.settings import Settings

_GIB = 1 << 30
_MOST_REASONS = 3


def gpu_findings(settings: Settings) -> list[Finding]:
    """Driver, CUDA, TensorRT and plans; TensorRT is loaded only as far as the driver allows."""
    device = find_gpu()
    findings = [_driver(device), _cuda_runtime(device), *_state_kernels(device), _cuda_provider()]
    try:
        flavour = load_flavour(device)
    except NoTensorRt as failure:
        return [*findings, Finding("TensorRT", failure.message, False, False, _install(device))]
    findings.append(_tensorrt(flavour, device))
    return [*findings, _plans(settings, flavour, device)]


def _driver(device: Device) -> Finding:
    if isinstance(device, Gpu):
        cuda = ".".join(map(str, device.cuda))
        found = f"{device}, {device.memory_bytes / _GIB:.0f} GiB, driver for CUDA {cuda}"
        return Finding("GPU", found, True, False)
    remedy = "none needed to serve on the CPU; for a GPU: NVIDIA's driver, and in a container --gpus all"
    return Finding("GPU", device.reason, False, False, remedy)


def _cuda_runtime(device: Device) -> Finding:
    try:
        found = f"cuda-bindings {version('cuda-bindings')}"
    except PackageNotFoundError:
        remedy = "only for a GPU: pip install -e '.[gpu]' in the clone (GeForce and RTX cards: [gpu-rtx])"
        return Finding("CUDA runtime", "cuda-bindings not installed", False, False, remedy)
    newest = int(version("cuda-bindings").partition(".")[0])
    if isinstance(device, Gpu) and device.cuda[0] < newest:
        remedy = f"a driver for CUDA {newest}, or pip install 'cuda-bindings=={device.cuda[0]}.*'"
        return Finding(
            "CUDA runtime", f"{found}, but the driver runs CUDA {device.cuda[0]}", False, False, remedy
        )
    return Finding("CUDA runtime", found, True, False)


def _state_kernels(device: Device) -> list[Finding]:
    """Whether recurrent states can stay on the GPU; asked only where there is one."""
    if not isinstance(device, Gpu):
        return []
    major, minor = device.compute_capability
    try:
        compiled(f"sm_{major}{minor}")
    except CudaFailed as failure:
        remedy = f"pip install 'nvidia-cuda-nvrtc=={device.cuda[0]}.*'; without it they rest on the host"
        return [Finding("states on the GPU", str(failure), False, False, remedy)]
    return [Finding("states on the GPU", f"kernels compiled for sm_{major}{minor}", True, False)]


def _cuda_provider() -> Finding:
    """ONNX Runtime on the GPU: the engine where TensorRT is not to be had."""
    provider = "CUDAExecutionProvider"
    remedy = "only for a GPU: pip install -e '.[gpu]' in the clone, in an environment without onnxruntime"
    try:
        from service.backends.onnxruntime_import import ort
    except ImportError as failure:
        return Finding("CUDA provider", str(failure), False, False, remedy)
    is_there = provider in ort.get_available_providers()
    found = provider if is_there else f"ONNX Runtime here has no {provider}"
    return Finding("CUDA provider", found, is_there, False, remedy)


def _tensorrt(flavour: Flavour, device: Device) -> Finding:
    found = f"{flavour.name} {flavour.version}"
    if isinstance(device, Gpu):
        return Finding("TensorRT", found, True, False)
    return Finding("TensorRT", f"{found}; without a GPU it builds plans and runs none", True, False)


def _plans(settings: Settings, flavour: Flavour, device: Device) -> Finding:
    folder = settings.plans_dir
    stock = list(inventory(PlanCache(folder), flavour, device, _graphs(settings.models_dir)))
    usable = sum(plan.objection is None for plan in stock)
    found = f"{len(stock)} in {folder}, {usable} valid here"
    reasons = Counter(plan.objection for plan in stock if plan.objection)
    for reason, count in reasons.most_common(_MOST_REASONS):
        found += f"; {count}: {reason}"
    remedy = "carousel build --all" + (
        f"; what is not valid is passed over, delete it from {folder}" * bool(reasons)
    )
    return Finding("plans", found, usable > 0 and not reasons, False, remedy)


def _graphs(models_dir: Path) -> set[str]:
    """The digests of the graphs served here; the doctor reports elsewhere what is wrong with bundles."""
    try:
        return {read_bundle(folder).manifest.files[ONNX] for folder in bundle_folders(models_dir)}
    except InvalidBundle:
        return set()


def _install(device: Device) -> str:
    if isinstance(device, Gpu):
        return "pip install -e '.[gpu]' in the clone (GeForce and RTX cards: [gpu-rtx])"
    return "only for a GPU, or to build plans ahead: pip install -e '.[plans]' in the clone"
