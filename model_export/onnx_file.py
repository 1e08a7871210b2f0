"""An ONNX model as a file."""

from __future__ import annotations

from pathlib import Path

import onnx


def write_onnx(model: onnx.ModelProto, path: Path) -> None:
    """Write the file in one piece: the same model always gives the same bytes."""
    path.write_bytes(model.SerializeToString(deterministic=True))
