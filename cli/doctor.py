"""`carousel doctor`: what this machine has, and what to do about what it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from cli.finding import Finding


def doctor() -> None:
    """Check what serving and training need; exit status 1 if serving cannot work."""
    from rich.markup import escape
    from rich.table import Table

    from cli.console import out
    from cli.findings import all_findings

    findings = all_findings()
    table = Table("", "what", "found", "what to do", box=None, pad_edge=False)
    for finding in findings:
        mark = (
            "[green]ok[/green]"
            if finding.is_good
            else ("[red]no[/red]" if finding.is_needed else "[yellow]--[/yellow]")
        )
        table.add_row(
            mark, finding.subject, escape(finding.found), "" if finding.is_good else escape(finding.remedy)
        )
    out.print(table)
    missing = [finding.subject for finding in findings if finding.is_needed and not finding.is_good]
    verdict = f"cannot serve: see {', '.join(missing)}" if missing else f"can serve on {_device(findings)}"
    out.print(f"\n{verdict}", soft_wrap=True)
    raise typer.Exit(1 if missing else 0)


def _device(findings: list[Finding]) -> str:
    good = {finding.subject for finding in findings if finding.is_good}
    lacking = [subject for subject in ("GPU", "CUDA runtime") if subject not in good]
    if not good & {"TensorRT", "CUDA provider"}:
        lacking.append("TensorRT")
    return f"the CPU (for a GPU it lacks: {', '.join(lacking)})" if lacking else "the GPU"
