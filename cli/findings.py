"""What the doctor looks at."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cli.finding import Finding
from cli.gpu_findings import gpu_findings
from service.errors import InvalidBundle
from service.repository.scanner import bundle_folders, read_bundle
from service.settings import Settings


def all_findings() -> list[Finding]:
    """Everything that matters for serving and training on this machine."""
    settings = Settings()
    return [
        Finding("Python", platform.python_version(), True, True),
        Finding("processors", str(os.cpu_count()), True, True),
        _package("carousel-serve", True, "pip install -e . in the clone"),
        _onnxruntime(),
        _package("torch", False, "only to train and export: pip install -e '.[export]' in the clone"),
        _package("onnx", False, "only to import and export: pip install -e '.[import]' in the clone"),
        _bundles(settings.models_dir),
        *gpu_findings(settings),
    ]


def _package(name: str, is_needed: bool, remedy: str) -> Finding:
    try:
        return Finding(name, version(name), True, is_needed)
    except PackageNotFoundError:
        return Finding(name, "not installed", False, is_needed, remedy)


def _onnxruntime() -> Finding:
    try:
        from service.backends.onnxruntime_import import ort
    except ImportError as failure:
        remedy = "pip install -e '.[cpu]' in the clone (or [gpu], [gpu-rtx])"
        return Finding("ONNX Runtime", str(failure), False, True, remedy)
    providers = ort.get_available_providers()
    found = f"{ort.__version__} ({', '.join(providers)})"
    if "CPUExecutionProvider" in providers:
        return Finding("ONNX Runtime", found, True, True)
    return Finding(
        "ONNX Runtime", found, False, True, "reinstall it: pip install --force-reinstall onnxruntime"
    )


def _bundles(models_dir: Path) -> Finding:
    remedy = f"put bundles into {models_dir}/<name>/<version>/, or set CAROUSEL_MODELS_DIR"
    try:
        folders = list(bundle_folders(models_dir))
    except InvalidBundle as failure:
        return Finding("bundles", failure.message, False, True, remedy)
    faults = [fault for folder in folders if (fault := _fault(folder))]
    good = len(folders) - len(faults)
    if not faults:
        return Finding("bundles", f"{good} in {models_dir}, all files verified", good > 0, True, remedy)
    found = f"{good} of {len(folders)} in {models_dir} can be served; {'; '.join(faults)}"
    # The others are served all the same.
    return Finding("bundles", found, False, good == 0, "carousel release NAME, or restore the file")


def _fault(folder: Path) -> str | None:
    try:
        read_bundle(folder)
    except InvalidBundle as failure:
        return failure.message
    return None
