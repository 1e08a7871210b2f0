"""`carousel build`: TensorRT plans of bundles, ahead of serving."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from service.errors import InvalidBundle
    from service.plans.cache import PlanCache
    from service.plans.flavour import Flavour
    from service.plans.profiles import Profiles
    from service.plans.request import BuildRequest
    from service.plans.supply import Supplied
    from service.repository.scanner import Bundle


def build(
    names: Annotated[
        list[str] | None, typer.Argument(help="Bundles' names; the latest version of each.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every bundle and version.")] = False,
    precision: Annotated[
        Literal["fp32", "fp16", "bf16"], typer.Option(help="What a plan computes in.")
    ] = "fp32",
    profile: Annotated[
        list[str] | None,
        typer.Option(
            help="steps:rows as 32:1-16-64 or 1-64-4096:1-16-64; repeatable. Default: chosen by length."
        ),
    ] = None,
    lengths: Annotated[
        Path | None, typer.Option(help="Choose profiles for the lengths in this file, whole numbers in text.")
    ] = None,
    route: Annotated[
        Literal["auto", "hoisted", "parser"],
        typer.Option(help="The loop over time: TensorRT's, or ours with the input's product before it."),
    ] = "auto",
    target: Annotated[
        list[str] | None,
        typer.Option(help="TensorRT-RTX: a compute capability as SM89; repeatable. Default: all."),
    ] = None,
    plans_dir: Annotated[
        Path, typer.Option(help="The folder plans are kept in.", envvar="CAROUSEL_PLANS_DIR")
    ] = Path("plans"),
    models_dir: Annotated[Path, typer.Option(help="Folder of bundles.", envvar="CAROUSEL_MODELS_DIR")] = Path(
        "models"
    ),
    force: Annotated[bool, typer.Option(help="Build also what is there already.")] = False,
) -> None:
    """Compile bundles into TensorRT plans, one per profile; exit status 1 if any was refused."""
    from cli.extras import require_plan_extra

    require_plan_extra()
    from rich.markup import escape

    from cli.console import err, out
    from cli.plan_table import plan_table
    from cli.sequence_file import UnreadableFile
    from cli.told import told
    from service.errors import CarouselError
    from service.plans.cache import PlanCache
    from service.plans.driver import find_gpu
    from service.plans.flavour import load_flavour
    from service.plans.plan import Precision, Route
    from service.plans.request import BuildRequest
    from service.settings import Settings

    if bool(names) == every:
        err.print("name at least one bundle, or --all")
        raise typer.Exit(2)
    supplied: list[tuple[Bundle, Supplied]] = []
    spoilt: list[InvalidBundle] = []
    with told(CarouselError, UnreadableFile, ValueError):
        device, cache = find_gpu(), PlanCache(plans_dir)
        flavour = load_flavour(device)
        for bundle in chosen_bundles(models_dir, names or [], spoilt.append if every else None):
            request = BuildRequest(
                _profiles(bundle, cache, profile or (), lengths),
                device,
                Precision(precision),
                None if route == "auto" else Route(route),
                tuple(target or ()),
            )
            supplied += [(bundle, one) for one in _supplied(bundle, request, flavour, cache, force)]
        cache.prune(Settings().max_plans_bytes)
    out.print(plan_table(supplied))
    out.print(f"{flavour.name} {flavour.version}, {precision}, in {plans_dir}", soft_wrap=True)
    for failure in spoilt:
        err.print(f"[red]error[/red]: {escape(failure.message)}", soft_wrap=True)
    raise typer.Exit(0 if all(one.record for _, one in supplied) and not spoilt else 1)


def chosen_bundles(
    models_dir: Path, names: list[str], on_spoilt: Callable[[InvalidBundle], None] | None = None
) -> list[Bundle]:
    """The latest version of each name; without names, everything there is.

    Raises NotFound, and InvalidBundle unless `on_spoilt` takes it: then the others are still given.
    """
    from service.errors import InvalidBundle, NotFound
    from service.repository.scanner import bundle_folders, read_bundle

    folders = list(bundle_folders(models_dir))
    latest = {folder.parent.name: folder for folder in folders}
    unknown = [name for name in names if name not in latest]
    if unknown:
        raise NotFound(
            f"model: there is no {', '.join(unknown)} in {models_dir}, there are: {', '.join(latest)}"
        )
    bundles = []
    for folder in [latest[name] for name in names] or folders:
        try:
            bundles.append(read_bundle(folder))
        except InvalidBundle as failure:
            if on_spoilt is None:
                raise
            on_spoilt(failure)
    return bundles


def _profiles(bundle: Bundle, cache: PlanCache, given: Sequence[str], lengths: Path | None) -> Profiles:
    """Those asked for, which the server and later builds then use too; else what is used already."""
    from cli.sequence_lengths import read_lengths
    from service.plans.chosen import profiles_of, remember
    from service.plans.profiles import profiles_for
    from service.repository.golden import read_golden
    from service.repository.manifest import ONNX

    signature, sha256 = bundle.manifest.signature, bundle.manifest.files[ONNX]
    if not given and lengths is None:
        golden = read_golden(bundle.folder).sequences
        return profiles_of(cache, sha256, signature, [len(sequence) for sequence in golden])
    profiles = profiles_for(signature, read_lengths(lengths) if lengths else (), given)
    remember(cache, sha256, profiles)
    return profiles


def _supplied(
    bundle: Bundle, request: BuildRequest, flavour: Flavour, cache: PlanCache, is_forced: bool
) -> list[Supplied]:
    from cli.build_bar import build_bar
    from service.backends.tensorrt_warm_up import measure_on
    from service.plans.supply import supply_plans
    from service.repository.manifest import ONNX

    with build_bar(bundle.manifest.name, len(request.profiles)) as on_progress:
        sha256 = bundle.manifest.files[ONNX]
        measure = measure_on(request.device, flavour, bundle.artifact)
        return list(supply_plans(bundle, sha256, request, flavour, cache, on_progress, is_forced, measure))
