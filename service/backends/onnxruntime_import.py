"""ONNX Runtime, imported with its telemetry off: it is on by default, and is asked only at import."""

from __future__ import annotations

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime as ort

__all__ = ["ort"]
