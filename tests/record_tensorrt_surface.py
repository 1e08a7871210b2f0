"""Records what TensorRT 10, 11 and RTX offer to Python: `python tests/record_tensorrt_surface.py`.

Needs an index and gcc: the wheels of full TensorRT's bindings want its libraries at import, and these
are replaced by empty ones. The recording is what tests read; run this when a version is added.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

RECORDING = Path(__file__).parent / "plans" / "tensorrt_surface.json"

_FULL = ("10.16.1.11", "11.4.0.106")
_SYMBOLS = {
    "nvinfer": (
        "createInferBuilder_INTERNAL createInferRefitter_INTERNAL createInferRuntime_INTERNAL "
        "getBuilderPluginRegistry getPluginRegistry getLogger getInferLibVersion"
    ),
    "nvonnxparser": "createNvOnnxParser_INTERNAL createNvOnnxParserRefitter_INTERNAL getNvOnnxParserVersion",
    "nvinfer_plugin": "initLibNvInferPlugins",
}
_DUMP = """
import importlib, json, sys
trt = importlib.import_module(sys.argv[1])
names = {name: getattr(trt, name) for name in dir(trt) if name[0] != "_"}
public = lambda kind: [name for name in dir(kind) if name[0] != "_"]
kinds = {name: public(kind) for name, kind in names.items() if isinstance(kind, type)}
wanted = {name: found for name, found in kinds.items() if "Layer" not in name and "lugin" not in name}
print(json.dumps({"version": trt.__version__, "names": wanted}))
"""


def main() -> None:
    """Write the recording anew, one flavour and version a line."""
    recorded = [_surface("tensorrt_rtx_bindings", {})]
    for version in _FULL:
        with tempfile.TemporaryDirectory() as folder:
            environment = _bindings(Path(folder), version)
            recorded.append(_surface("tensorrt_bindings", environment))
    lines = ",\n".join(
        f'"{"tensorrt" if one["version"] in _FULL else "tensorrt-rtx"} {one["version"]}": '
        + json.dumps(one["names"], separators=(",", ":"))
        for one in recorded
    )
    RECORDING.write_text(f"{{\n{lines}\n}}\n")


def _bindings(folder: Path, version: str) -> dict[str, str]:
    """Unpack the bindings beside empty libraries; the environment in which they can be imported."""
    wanted = f"tensorrt-cu13-bindings=={version}"
    _run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, wanted)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder)
    for library, symbols in _SYMBOLS.items():
        name = f"lib{library}.so.{version.partition('.')[0]}"
        source = folder / f"{library}.c"
        source.write_text("".join(f"int {symbol}(void) {{ return 0; }}\n" for symbol in symbols.split()))
        _run("gcc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", folder / name, source)
    return {"PYTHONPATH": str(folder), "LD_LIBRARY_PATH": str(folder)}


def _surface(module: str, environment: dict[str, str]) -> dict[str, object]:
    surface: dict[str, object] = json.loads(_run(sys.executable, "-c", _DUMP, module, **environment))
    return surface


def _run(*command: str | Path, **environment: str) -> str:
    return subprocess.run(
        list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True, env=os.environ | environment
    ).stdout


if __name__ == "__main__":
    main()
