"""From a bundle's graph to a plan: prepared, written into a network, compiled."""

from __future__ import annotations

import hashlib
import math
import re
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from service.domain.signature import LENGTHS, SEQUENCE, Signature
from service.domain.tensors import Shape
from service.errors import EngineFailed
from service.plans.flavour import Flavour
from service.plans.network import prepared_graph, write_network
from service.plans.plan import PlanRecord, Route
from service.plans.profiles import Profile, Range
from service.plans.progress import BuildProgress, OnProgress, create_monitor
from service.plans.refusal import PlanRefused
from service.plans.request import Buildable, BuildRequest, identity_of

BuiltPlan: TypeAlias = tuple[bytes, PlanRecord]
Measure: TypeAlias = Callable[[bytes], float]
"""Seconds that a run of this plan takes on the GPU at hand."""

_CAPTURABLE = re.compile(rb"stream_capturable=([01])")


def build_plan(
    bundle: Buildable,
    request: BuildRequest,
    flavour: Flavour,
    on_progress: OnProgress = lambda _phase, _fraction: None,
    measure: Measure | None = None,
) -> BuiltPlan:
    """One plan with all profiles of the request, not stored yet; raises PlanRefused in TensorRT's own words.

    Where the request leaves the route open and `measure` is given, both are built and the faster is
    kept; without it, the first that is not refused.
    """
    flavour.check_can_build(request.device, request.targets)
    onnx_bytes = bundle.artifact.content()
    built, refusals = [], []
    for route in request.routes:
        try:
            plan, record = _build(bundle, onnx_bytes, request, route, flavour, on_progress)
        except PlanRefused as refusal:
            refusals.append(f"{route}: {refusal.message}")
            continue
        if measure is None:
            return plan, record
        try:
            seconds = measure(plan)
        except EngineFailed as failure:
            # A plan that does not run here is none; the other route's may.
            refusals.append(f"{route}: built, but does not run: {failure.message}")
            continue
        built.append((plan, record.model_copy(update={"measured_s": seconds})))
    if not built:
        raise PlanRefused("; ".join(refusals))
    return min(built, key=lambda one: one[1].measured_s or math.inf)


def _build(
    bundle: Buildable,
    onnx_bytes: bytes,
    request: BuildRequest,
    route: Route,
    flavour: Flavour,
    on_progress: OnProgress,
) -> BuiltPlan:
    started_s = time.perf_counter()
    on_progress("preparing the graph", 0.0)
    graph = prepared_graph(onnx_bytes, route, request.precision)
    plan, tensors = _compile(graph, bundle.artifact.signature, request, flavour, on_progress)
    found = _CAPTURABLE.findall(plan)
    return plan, PlanRecord(
        model=bundle.manifest.name,
        model_version=bundle.manifest.version,
        identity=identity_of(hashlib.sha256(onnx_bytes).hexdigest(), request, route, flavour),
        plan_sha256=hashlib.sha256(plan).hexdigest(),
        plan_bytes=len(plan),
        build_seconds=round(time.perf_counter() - started_s, 3),
        tensors=tensors,
        is_capturable=set(found) == {b"1"} if found else None,
    )


def _compile(
    graph: bytes, signature: Signature, request: BuildRequest, flavour: Flavour, on_progress: OnProgress
) -> tuple[bytes, dict[str, str]]:
    progress = BuildProgress(on_progress)
    monitor = create_monitor(flavour.trt, progress)
    with flavour.log.listening() as heard:
        builder = flavour.trt.Builder(flavour.logger)
        network = flavour.create_network(builder)
        write_network(flavour.trt, network, flavour.logger, graph)
        is_captured = all(profile.is_fixed for profile in request.profiles)
        config = flavour.create_config(builder, request.memory_bytes, request.targets, is_captured)
        config.progress_monitor = monitor
        for profile in request.profiles:
            _add_profile(builder, config, network, profile, signature)
        serialized = builder.build_serialized_network(network, config)
    if progress.failure is not None:
        raise progress.failure
    if serialized is None:
        raise PlanRefused(_words(heard, "TensorRT builds nothing and does not say why"))
    return bytes(serialized), _tensors(network)


def _add_profile(builder: Any, config: Any, network: Any, profile: Profile, signature: Signature) -> None:
    optimization_profile = builder.create_optimization_profile()
    for name, shapes in _input_shapes(network, profile, signature).items():
        optimization_profile.set_shape(name, *shapes)
    if config.add_optimization_profile(optimization_profile) < 0:
        raise PlanRefused(f"profile {profile}: TensorRT does not accept it for this network's inputs")


def _input_shapes(network: Any, profile: Profile, signature: Signature) -> dict[str, list[Shape]]:
    """For each input of the network its least, usual and most shape."""
    rows = {LENGTHS: (), **{state.input: state.shape for state in signature.states}}
    shapes: dict[str, list[Shape]] = {}
    for name in (network.get_input(index).name for index in range(network.num_inputs)):
        if name == SEQUENCE:
            shapes[name] = [
                (steps, count, *signature.step_shape)
                for steps, count in zip(_extents(profile.steps), _extents(profile.rows), strict=True)
            ]
        elif name in rows:
            shapes[name] = [(count, *rows[name]) for count in _extents(profile.rows)]
        else:
            raise PlanRefused(f"input {name}: the manifest names {', '.join([SEQUENCE, *rows])}")
    return shapes


def _extents(extent: Range) -> tuple[int, int, int]:
    return extent.least, extent.usual, extent.most


def _tensors(network: Any) -> dict[str, str]:
    """Direction, type and shape of every input and output, as TensorRT sees them."""
    inputs = [("input", network.get_input(index)) for index in range(network.num_inputs)]
    outputs = [("output", network.get_output(index)) for index in range(network.num_outputs)]
    return {
        tensor.name: f"{direction} {tensor.dtype.name.lower()} {'x'.join(map(str, tensor.shape))}"
        for direction, tensor in inputs + outputs
    }


def _words(heard: list[tuple[str, str]], otherwise: str) -> str:
    errors = [words for level, words in heard if level == "error"]
    return "; ".join(errors) or otherwise
