"""The commands that count what is lost: reload, stop, overload, slow."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from load_tests.machine import this_machine
from load_tests.report import print_machine, write_json

_JsonFile = Annotated[Path | None, typer.Option("--json", help="Also write every figure to this file.")]


def reload(
    times: Annotated[
        int, typer.Option(min=1, help="Replacements by the load API; by watching: a fifth.")
    ] = 20,
    pause: Annotated[float, typer.Option(min=0.0, help="Seconds between two replacements.")] = 0.3,
    json: _JsonFile = None,
) -> None:
    """Replace a model under load: requests lost, answers of the wrong version, latencies meanwhile."""
    from load_tests.reload.report import print_reloads
    from load_tests.reload.scenario import ReloadPlan, reloads

    machine = this_machine()
    records = {
        "load": reloads(ReloadPlan(times, pause)),
        "watched folder": reloads(ReloadPlan(max(1, times // 5), pause, watch_s=0.2)),
    }
    print_machine(machine)
    print_reloads(records)
    if json is not None:
        write_json(json, machine, {way: asdict(record) for way, record in records.items()})
    _end(sum(record.lost + record.wrong for record in records.values()))


def stop(
    times: Annotated[int, typer.Option(min=1, help="How many servers are stopped.")] = 10,
    seconds: Annotated[float, typer.Option(min=0.1, help="Load before each SIGTERM.")] = 1.0,
    json: _JsonFile = None,
) -> None:
    """Stop a server under load at every door: requests lost, time to exit, exit status."""
    from load_tests.stop.report import print_stops
    from load_tests.stop.scenario import StopPlan, figures_of, stops

    machine = this_machine()
    ended = stops(StopPlan(times, seconds))
    print_machine(machine)
    print_stops(ended)
    if json is not None:
        write_json(json, machine, [figures_of(each) for each in ended])
    _end(sum(not each.is_clean for each in ended))


def overload(
    seconds: Annotated[float, typer.Option(min=0.5, help="Length of the overload.")] = 20.0,
    factor: Annotated[float, typer.Option(min=0.1, help="Offered, in multiples of the peak.")] = 2.0,
    timeout: Annotated[float, typer.Option(min=0.05, help="What every caller gives, in seconds.")] = 1.0,
    hidden: Annotated[int, typer.Option(min=1, help="Cells of each of the model's two layers.")] = 384,
    steps: Annotated[int, typer.Option(min=1, help="Length of every sequence.")] = 40,
    waiting: Annotated[int, typer.Option(min=1, help="CAROUSEL_MAX_WAITING_ROWS.")] = 2048,
    core: Annotated[int | None, typer.Option(help="Keep the server on this core, the client off it.")] = None,
    rounds: Annotated[
        int, typer.Option(min=1, help="A machine's speed changes: of several, the median.")
    ] = 9,
    json: _JsonFile = None,
) -> None:
    """Offer a server more than it can answer: answers against its peak, refusals, and how true they are."""
    from load_tests.overload.report import print_overload
    from load_tests.overload.scenario import OverloadPlan, as_figures
    from load_tests.overload.scenario import overload as overloaded
    from load_tests.untrained_bundle import LstmSize

    machine = this_machine()
    size = LstmSize(hidden=hidden, layers=2, features=2)
    plan = OverloadPlan(size, steps, seconds, factor, timeout, waiting, core=core, rounds=rounds)
    ended = overloaded(plan)
    print_machine(machine)
    print_overload(plan, ended)
    if json is not None:
        write_json(json, machine, as_figures(ended))
    _end(sum(each.wrong for each in ended))


def slow(
    connections: Annotated[
        int, typer.Option(min=1, help="Of the largest attack; others have a share.")
    ] = 1000,
    limit: Annotated[float, typer.Option(min=0.1, help="Seconds that the server gives the slow.")] = 3.0,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of each attack.")] = 6.0,
    json: _JsonFile = None,
) -> None:
    """Slow and hostile clients beside good ones: latencies, memory, and how each was ended."""
    from load_tests.slow.report import print_slow
    from load_tests.slow.scenario import SlowPlan
    from load_tests.slow.scenario import slow as attacked

    machine = this_machine()
    plan = SlowPlan(connections, limit, seconds)
    result = attacked(plan)
    print_machine(machine)
    print_slow(plan, result)
    if json is not None:
        write_json(json, machine, asdict(result))
    _end(result.lost)


def _end(wrong: int) -> None:
    """Only a count fails a run, never a speed."""
    if wrong:
        raise typer.Exit(1)
