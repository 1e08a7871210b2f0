"""`python -m service.plans FOLDER`: build one bundle's plans in a process of its own.

A server starts it in the background: it runs at low priority, and a crash inside TensorRT ends nothing
but this process. It prints one line of JSON and exits with 0 if every profile has its plan, else with 1.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from service.backends.tensorrt_warm_up import measure_on
from service.errors import CarouselError
from service.plans.cache import PlanCache
from service.plans.chosen import profiles_of
from service.plans.driver import find_gpu
from service.plans.flavour import load_flavour
from service.plans.plan import Precision, Route
from service.plans.request import BuildRequest
from service.plans.supply import Supplied, supply_plans
from service.repository.golden import read_golden
from service.repository.manifest import ONNX
from service.repository.scanner import read_bundle
from service.settings import Settings
from service.telemetry.logs import configure_logs

_LOWEST_PRIORITY = 19


def main(arguments: Sequence[str] | None = None) -> int:
    """Build and report; never raises for what a bundle, a flavour or the disk refuses."""
    given = _parser().parse_args(arguments)
    os.nice(_LOWEST_PRIORITY)
    # TensorRT's libraries may print, so standard output is kept for the answer alone.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    configure_logs("warning", as_json=True)
    try:
        plans = _supply(given)
        report: dict[str, Any] = {
            "ok": all(plan.record for plan in plans),
            "plans": list(map(_summary, plans)),
        }
    except CarouselError as failure:
        report = {"ok": False, "error": failure.message}
    with answer:
        answer.write(orjson.dumps(report).decode() + "\n")
    return 0 if report["ok"] else 1


def _supply(given: argparse.Namespace) -> list[Supplied]:
    bundle = read_bundle(given.folder, Settings().max_model_bytes)
    device = find_gpu()
    flavour = load_flavour(device)
    lengths = [len(sequence) for sequence in read_golden(given.folder).sequences]
    sha256 = bundle.manifest.files[ONNX]
    cache = PlanCache(given.plans_dir)
    profiles = profiles_of(cache, sha256, bundle.manifest.signature, lengths, given.profile)
    request = BuildRequest(
        profiles, device, given.precision, Route(given.route) if given.route else None, tuple(given.target)
    )
    measure = measure_on(device, flavour, bundle.artifact)
    supplied = list(
        supply_plans(bundle, sha256, request, flavour, cache, lambda _profile: _nothing, measure=measure)
    )
    cache.prune(Settings().max_plans_bytes)
    return supplied


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service.plans", description="Build one bundle's plans.")
    parser.add_argument("folder", type=Path, help="the bundle, models/<name>/<version>")
    parser.add_argument("--plans-dir", type=Path, required=True, help="the cache to look in and to write to")
    parser.add_argument("--precision", type=Precision, default=Precision.FP32, help="fp32, fp16 or bf16")
    parser.add_argument("--route", choices=list(Route), help="default: the faster one, hoisted without a GPU")
    parser.add_argument("--profile", action="append", default=[], help="like 32:1-16-64; repeatable")
    parser.add_argument("--target", action="append", default=[], help="TensorRT-RTX: like SM89; repeatable")
    return parser


def _summary(plan: Supplied) -> dict[str, Any]:
    if plan.record is None:
        return {"profile": str(plan.profile), "refused": plan.reason}
    return {
        "profile": str(plan.profile),
        "cached": plan.was_cached,
        "digest": plan.record.identity.digest,
        "bytes": plan.record.plan_bytes,
        "build_seconds": plan.record.build_seconds,
    }


def _nothing(_phase: str, _fraction: float) -> None:
    """Nobody watches."""


if __name__ == "__main__":
    sys.exit(main())
