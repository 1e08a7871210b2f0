"""Importing needs onnx alone: a server's environment can do it."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import sys
import model_export.import_release, model_export.onnx_import
assert "torch" not in sys.modules, "torch"
"""


def test_importing_a_model_does_not_need_torch():
    subprocess.run([sys.executable, "-c", _PROGRAM], check=True, timeout=60)
