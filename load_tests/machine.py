"""Which machine the figures belong to, and how busy it was with other work."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Machine:
    """Printed with every report: absolute times mean nothing without it."""

    processor: str
    cores: int
    load_average: float
    python: str
    onnxruntime: str
    uvicorn: str

    def __str__(self) -> str:
        return (
            f"{self.cores} cores, {self.processor}, load average {self.load_average:.1f} before the run; "
            f"Python {self.python}, ONNX Runtime {self.onnxruntime}, uvicorn {self.uvicorn}"
        )


def this_machine() -> Machine:
    """Call before the run: the load average then is other people's work."""
    return Machine(
        processor=processor_name(),
        cores=len(os.sched_getaffinity(0)),
        load_average=os.getloadavg()[0],
        python=platform.python_version(),
        onnxruntime=version("onnxruntime"),
        uvicorn=version("uvicorn"),
    )


def processor_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
