"""Writing a module with PyTorch's TorchScript exporter."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from onnx_import_torch_modules import Case
from torch import nn


def export(case: Case, path: Path, opset: int = 17) -> nn.Module:
    """Write the module with the TorchScript exporter; returns it in evaluation mode."""
    torch.manual_seed(0)
    module = case.module().eval()
    names = [f"x{place}" if place else "x" for place in range(len(case.inputs))]
    axes = {} if case.is_fixed else case.options.get("dynamic_axes") or _dynamic_axes(case, names)
    with warnings.catch_warnings():
        # The exporter that keeps lengths and time is the one PyTorch has deprecated, with all it calls.
        for message in ("You are using the legacy TorchScript-based", "The feature will be removed"):
            warnings.filterwarnings("ignore", message, DeprecationWarning)
        # It warns of what a trace may freeze; that nothing is frozen is what the tests measure.
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
        warnings.filterwarnings(
            "ignore", "Exporting (a model to ONNX with a batch_size|aten::index)", UserWarning
        )
        torch.onnx.export(
            module,
            case.inputs,
            path,
            dynamo=False,
            input_names=names,
            dynamic_axes=axes,
            opset_version=opset,
        )
    return module


def _dynamic_axes(case: Case, names: list[str]) -> dict[str, dict[int, str]]:
    leading = ("time", "batch") if case.is_time_major else ("batch", "time")
    axes = {"x": dict(enumerate(leading))}
    for name, given in zip(names[1:], case.inputs[1:], strict=True):
        axes[name] = {given.dim() - 2 if given.is_floating_point() else 0: "batch"}
    return axes
