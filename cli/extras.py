"""Commands that need more than serving does say so before they start."""

from __future__ import annotations

from importlib.util import find_spec

import typer

from cli.console import err


def require_export_extra() -> None:
    """End the command with the remedy where torch or onnx are not installed."""
    _require(("torch", "onnx"), "training and exporting need", "export")


def require_plan_extra() -> None:
    """The same for what builds plans."""
    _require(("onnx",), "building plans needs", "plans")


def require_onnx() -> None:
    """The same for what imports, which onnx alone is enough for."""
    _require(("onnx",), "importing needs", "import")


def require_matplotlib() -> None:
    """The same for what draws."""
    _require(("matplotlib",), "drawing needs", "export")


def _require(packages: tuple[str, ...], needs: str, extra: str) -> None:
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        err.print(
            f"[red]error[/red]: {' and '.join(missing)} not installed; {needs} it: "
            f"pip install -e '.\\[{extra}]' in the clone",
            soft_wrap=True,
        )
        raise typer.Exit(1)
