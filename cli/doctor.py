"""`carousel doctor`: what this machine has, and what to do about what it lacks."""

from __future__ import annotations

import typer


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
    raise typer.Exit(int(any(finding.is_needed and not finding.is_good for finding in findings)))
