"""Where and with what a comparison was made: figures mean nothing without it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import distributions
from pathlib import Path

from load_tests.machine import processor_name
from service.plans.driver import Device, Gpu

_GIB = 1 << 30
_PACKAGES = ("onnxruntime", "onnxruntime-gpu", "tensorrt", "tensorrt-rtx", "cuda-bindings", "torch", "numpy")
_DRIVER = Path("/proc/driver/nvidia/version")


def machine_facts(device: Device) -> dict[str, str]:
    """Call before the run: the load average then is other people's work."""
    facts = {
        "processor": processor_name(),
        "cores": str(len(os.sched_getaffinity(0))),
        "load average before": f"{os.getloadavg()[0]:.1f}",
        "system": f"{platform.system()} on {platform.machine()}",
        "python": platform.python_version(),
    }
    return facts | _gpu_facts(device) | _versions()


def _gpu_facts(device: Device) -> dict[str, str]:
    if not isinstance(device, Gpu):
        return {"no gpu": device.reason}
    facts = {
        "gpu": str(device),
        "gpu memory": f"{device.memory_bytes / _GIB:.0f} GiB",
        "driver's cuda": ".".join(map(str, device.cuda)),
    }
    return facts | ({"driver": _DRIVER.read_text().splitlines()[0]} if _DRIVER.exists() else {})


def _versions() -> dict[str, str]:
    """Also of packages whose names go on with a CUDA version, such as tensorrt-cu13."""
    found = {each.name.lower().replace("_", "-"): each.version for each in distributions()}
    return {
        name: version
        for name, version in sorted(found.items())
        if name in _PACKAGES or name.startswith(("tensorrt-cu", "tensorrt-rtx-cu", "nvidia-cudnn"))
    }


def commit() -> str:
    """The source's commit, with a plus where files were changed since; `unknown` outside a repository."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    try:
        changed = _said([git, "status", "--porcelain", "--untracked-files=no"])
        return _said([git, "rev-parse", "HEAD"]) + "+" * bool(changed)
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _said(command: list[str]) -> str:
    answer = subprocess.run(  # noqa: S603 - git with fixed arguments
        command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True, timeout=10
    )
    return answer.stdout.strip()
