"""`python -m load_tests`: load a running server; its commands start those that they measure."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from load_tests import scenarios
from load_tests.address import NotLoopback, loopback_address
from load_tests.machine import this_machine
from load_tests.model_input import NoSuchModel
from load_tests.report import out, print_machine, write_json
from load_tests.server_process import ServerFailed
from load_tests.workloads import W1, W2

app = typer.Typer(add_completion=False, no_args_is_help=False)

_JsonFile = Annotated[Path | None, typer.Option("--json", help="Also write every figure to this file.")]
_Model = Annotated[str, typer.Option(help="The model to load; it says itself what its steps look like.")]


@app.callback(invoke_without_command=True)
def load(
    context: typer.Context,
    url: Annotated[str, typer.Option(help="A running server on this machine.")] = "http://127.0.0.1:8000",
    model: _Model = "vowels",
    connections: Annotated[int, typer.Option(min=1, help="Callers, beside the run with one.")] = 64,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of each of the four runs.")] = 5.0,
    json: _JsonFile = None,
) -> None:
    """Load a running server in a closed loop: requests per second, latencies, errors."""
    if context.invoked_subcommand is not None:
        return
    from load_tests.load_report import print_loads
    from load_tests.running_server import load_server

    machine = this_machine()
    loads = load_server(loopback_address(url), model, connections, seconds)
    print_machine(machine)
    print_loads(loads)
    if json is not None:
        write_json(json, machine, [asdict(each) for each in loads])


@app.command()
def overhead(
    models_dir: Annotated[Path, typer.Option(help="The bundles that the server loads.")] = Path("models"),
    model: _Model = "vowels",
    workload: Annotated[str, typer.Option(help="W1: 20 steps; W2: lognormal lengths.")] = "W1",
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of each run.")] = 2.0,
    rounds: Annotated[int, typer.Option(min=1, help="How often all of it is repeated.")] = 3,
    core: Annotated[int | None, typer.Option(help="Keep the servers on this core.")] = None,
    json: _JsonFile = None,
) -> None:
    """What the server costs beside a bare one of the same answers: CPU time, latency, start, memory."""
    from load_tests.overhead import OverheadPlan, measure_overhead
    from load_tests.overhead_report import print_overhead

    chosen = {each.name: each for each in (W1, W2)}.get(workload)
    if chosen is None:
        raise typer.BadParameter("expected W1 or W2", param_hint="--workload")
    machine = this_machine()
    plan = OverheadPlan(models_dir, model, chosen, (64, 1), seconds, rounds, core)
    result = measure_overhead(plan)
    print_machine(machine)
    print_overhead(plan, result)
    if json is not None:
        write_json(json, machine, asdict(result))


@app.command()
def carousel(
    sessions: Annotated[str, typer.Option(help="Open streams, with commas between.")] = "1,64,1024,4096",
    streams: Annotated[str, typer.Option(help="Streams over WebSockets; none if empty.")] = "64,1024",
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of each run.")] = 3.0,
    json: _JsonFile = None,
) -> None:
    """Streams that step, without HTTP and over WebSockets, and short sequences beside long ones."""
    from load_tests.carousel.measured import measure_carousel
    from load_tests.carousel.report import print_carousel, print_streamed
    from load_tests.carousel.streamed import measure_streamed
    from load_tests.padding.two_layer_bundle import write_two_layer_bundle

    machine = this_machine()
    counts, over_websockets = (
        [int(count) for count in listed.split(",") if count] for listed in (sessions, streams)
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_two_layer_bundle(Path(scratch))
        measured = uvloop.run(measure_carousel(folder, counts, seconds))
        streamed = measure_streamed(folder, over_websockets, seconds)
    print_machine(machine)
    print_carousel(measured)
    print_streamed(streamed)
    if json is not None:
        write_json(json, machine, asdict(measured) | {"streamed": [asdict(each) for each in streamed]})


@app.command()
def saves(
    sessions: Annotated[str, typer.Option(help="Open streams, with commas between.")] = "1,64,512",
    store: Annotated[str | None, typer.Option(help="As CAROUSEL_SESSION_STORE; a folder if unset.")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of each run.")] = 3.0,
    json: _JsonFile = None,
) -> None:
    """Streams saved at the end, in the background, or before each answer: what the saving costs."""
    from load_tests.padding.two_layer_bundle import write_two_layer_bundle
    from load_tests.saves.measured import measure_saves
    from load_tests.saves.report import print_saves

    machine = this_machine()
    counts = [int(count) for count in sessions.split(",")]
    with tempfile.TemporaryDirectory() as scratch:
        place = store or f"dir:{scratch}/sessions"
        folder = write_two_layer_bundle(Path(scratch))
        measured = uvloop.run(measure_saves(folder, place, counts, seconds))
    print_machine(machine)
    print_saves("a folder" if store is None else store.partition("://")[0], measured)
    if json is not None:
        write_json(json, machine, [asdict(each) for each in measured])


@app.command()
def padding(
    sequences: Annotated[int, typer.Option(min=1, help="Sequences of each trace.")] = 768,
    rounds: Annotated[int, typer.Option(min=1, help="How often all of it is repeated.")] = 5,
    hidden: Annotated[
        int, typer.Option(min=1, help="Cells of each layer of a model of random weights.")
    ] = 64,
    layers: Annotated[int, typer.Option(min=1, help="Its layers.")] = 2,
    bundle: Annotated[
        Path | None, typer.Option(help="A bundle's folder, to compare with it instead.")
    ] = None,
    json: _JsonFile = None,
) -> None:
    """The scheduler without HTTP: CPU time per sequence beside other ways of batching."""
    from load_tests.padding.comparison import compare
    from load_tests.padding.report import print_padding
    from load_tests.padding.two_layer_bundle import FEATURES
    from load_tests.untrained_bundle import LstmSize, write_untrained_bundle
    from service.repository.scanner import read_bundle

    machine = this_machine()
    with tempfile.TemporaryDirectory() as scratch:
        size = LstmSize(hidden, layers, FEATURES)
        folder = bundle or write_untrained_bundle(Path(scratch), f"{layers}x{hidden}", size)
        if not read_bundle(folder).manifest.signature.is_causal:
            raise typer.BadParameter(
                "expected a causal model: no other's sequences can be cut", param_hint="--bundle"
            )
        results = uvloop.run(compare(folder, sequences, rounds))
    print_machine(machine)
    print_padding(folder.parent.name, rounds, results)
    if json is not None:
        write_json(json, machine, [asdict(result) for result in results])


@app.command()
def states(
    bundle: Annotated[Path, typer.Option(help="A causal bundle's folder.")] = Path("models/moby/1"),
    streams: Annotated[
        str, typer.Option(help="Streams in a tick, with commas between.")
    ] = "1,16,64,256,1024",
    steps: Annotated[int, typer.Option(min=1, help="Steps of each in a tick.")] = 1,
    ticks: Annotated[int, typer.Option(min=1, help="Timed ticks of each.")] = 200,
    json: _JsonFile = None,
) -> None:
    """On a GPU: ticks with states from the host beside ticks whose states stay on the device."""
    from load_tests.states.comparison import compare_on_this_gpu
    from load_tests.states.report import print_states
    from service.errors import CarouselError

    machine = this_machine()
    try:
        found = list(compare_on_this_gpu(bundle, [int(count) for count in streams.split(",")], steps, ticks))
    except CarouselError as failure:
        raise typer.BadParameter(failure.message) from failure
    print_machine(machine)
    print_states(found)
    if json is not None:
        write_json(json, machine, [asdict(one) for one in found])


for command in (scenarios.reload, scenarios.stop, scenarios.overload, scenarios.slow):
    app.command()(command)

if __name__ == "__main__":
    try:
        app()
    except (NotLoopback, NoSuchModel, ServerFailed, OSError) as failure:
        out.print(f"error: {failure}", markup=False)
        raise SystemExit(1) from None
