"""The table of stops."""

from __future__ import annotations

from load_tests import goals
from load_tests.report import figures, out, print_goals
from load_tests.stop.fates import Door, Fate
from load_tests.stop.scenario import Stop


def print_stops(ended: list[Stop]) -> None:
    table = figures("door", *(fate.value for fate in Fate))
    for door in Door:
        table.add_row(door.value, *(f"{sum(stop.fates.of(door, fate) for stop in ended):,}" for fate in Fate))
    out.print(table)
    out.print(
        f"\n{len(ended)} stops by SIGTERM under load. Refused: told so by 503 or UNAVAILABLE in the server's "
        "own words.\nNot sent: nobody listened any more. Hidden: what a stream had in flight when grpc.aio, "
        "still writing, put its\nown error in place of the server's words. Lost: sent, and nothing heard."
    )
    slowest_s = max(stop.exit_s for stop in ended)
    print_goals(
        [
            (goals.LOST, sum(stop.fates.lost for stop in ended)),
            (goals.EXIT_STATUS, max(abs(stop.status) for stop in ended)),
            (goals.EXIT_S, slowest_s),
        ]
    )
