"""The table of reloads."""

from __future__ import annotations

from load_tests import goals
from load_tests.reload.record import Record
from load_tests.report import figures, out, print_goals


def print_reloads(records: dict[str, Record]) -> None:
    """`records` by how versions were replaced."""
    table = figures("replaced by", "replacements", "when", "answers", "p50 ms", "p99 ms", "wrong", "lost")
    for way, record in records.items():
        count, wrong, lost = str(len(record.reloads)), str(record.wrong), str(record.lost)
        table.add_row(way, count, "while replacing", *record.row(during_reloads=True), wrong, lost)
        table.add_row("", "", "between", *record.row(during_reloads=False), "", "")
    out.print(table)
    out.print(
        "\nEvery answer was compared with what the version that it names answers alone, in the runtime "
        "itself.\nA replacement lasts from the files lying there to the first answer of the new version."
    )
    print_goals(
        [
            (goals.LOST, sum(record.lost for record in records.values())),
            (goals.WRONG, sum(record.wrong for record in records.values())),
        ]
    )
