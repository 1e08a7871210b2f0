"""Commands that need more than serving does say so before they start."""

from __future__ import annotations

from importlib.util import find_spec

import typer

from cli.console import err


def require_export_extra() -> None:
    """End the command with the remedy where torch or onnx are not installed."""
    missing = [name for name in ("torch", "onnx") if find_spec(name) is None]
    if missing:
        err.print(
            f"[red]error[/red]: {' and '.join(missing)} not installed; "
            "training, exporting and importing need them: pip install 'carousel-serve\\[export]'",
            soft_wrap=True,
        )
        raise typer.Exit(1)


def require_plans_extra() -> None:
    """End the command with the remedy where onnx is not installed; TensorRT has a remedy of its own."""
    if find_spec("onnx") is None:
        err.print(
            "[red]error[/red]: onnx not installed; building plans needs it: "
            "pip install 'carousel-serve\\[plans]'",
            soft_wrap=True,
        )
        raise typer.Exit(1)
