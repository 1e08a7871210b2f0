"""Real builds with TensorRT-RTX, and refusals in its own words."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import pytest
from built_once import build_once
from plan_records import NO_GPU

from service.plans import builder
from service.plans.builder import build_plan
from service.plans.plan import Precision, Route
from service.plans.profiles import parse_profile
from service.plans.refusal import PlanRefused
from service.plans.request import BuildRequest

# Small, since a build takes the longer the more steps there are; test_supply.py shares two of them.
FIXED, STREAM, NET = (parse_profile(text) for text in ("2:1-2-4", "1:1-2-4", "1-2-4:1-2-4"))


@pytest.fixture
def once(monkeypatch):
    """What is built alike is built once."""
    build_once(monkeypatch)


def request(*profiles, **given):
    return BuildRequest(profiles or (FIXED,), NO_GPU, **given)


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16])
@pytest.mark.parametrize("profile", [FIXED, STREAM, NET], ids=str)
def test_a_bundle_becomes_a_plan_that_can_be_captured_exactly_where_time_is_fixed(
    gait, flavour, once, profile, precision
):
    plan, record = build_plan(gait, request(profile, precision=precision), flavour)
    assert record.plan_sha256 == hashlib.sha256(plan).hexdigest()
    assert record.plan_bytes == len(plan) > 10_000
    assert record.is_capturable is profile.is_fixed
    assert record.profiles == (profile,)
    assert (record.model, record.model_version) == ("gait", "1")
    assert record.identity.onnx_sha256 == gait.manifest.files["model.onnx"]
    assert record.build_seconds > 0


@pytest.mark.parametrize(("profiles", "due"), [((FIXED,), True), ((NET,), False), ((FIXED, NET), False)])
def test_a_plan_is_built_for_capture_where_the_time_of_all_its_profiles_is_fixed(
    gait, flavour, monkeypatch, profiles, due
):
    made, create_config = [], type(flavour).create_config

    def noted(*given):
        made.append(create_config(*given))
        return made[-1]

    monkeypatch.setattr(type(flavour), "create_config", noted)
    build_plan(gait, request(*profiles, route=Route.HOISTED), flavour)
    (config,) = made
    assert config.get_flag(flavour.trt.BuilderFlag.REQUIRE_USER_ALLOCATION) is due


def test_the_record_names_every_tensor_with_its_type_and_shape_in_any_precision(letters, flavour, once):
    _, record = build_plan(letters, request(precision=Precision.FP16), flavour)
    states = {f"{name}{layer}" for name in "hc" for layer in "01"}
    assert record.tensors == {
        "sequence": "input int32 -1x-1",
        "lengths": "input int32 -1",
        "output": "output float -1x-1x8",
        **{f"{state}_in": "input float -1x6" for state in states},
        **{f"{state}_out": "output float -1x6" for state in states},
    }


def test_profiles_that_share_a_plan_cannot_be_captured_which_is_why_each_gets_its_own(gait, flavour, once):
    both = request(FIXED, parse_profile("3:1-2-4"), route=Route.HOISTED)
    assert build_plan(gait, both, flavour)[1].is_capturable is False
    assert [build_plan(gait, part, flavour)[1].is_capturable for part in both.parts()] == [True, True]


def test_without_a_gpu_the_hoisted_route_is_taken(gait, flavour, once):
    assert build_plan(gait, request(), flavour)[1].identity.route is Route.HOISTED


@pytest.mark.parametrize("faster", list(Route))
def test_where_plans_can_be_measured_both_are_built_and_the_faster_is_kept(gait, flavour, once, faster):
    measured = []

    def measure(plan):
        measured.append(plan)
        return 0.25 if request().routes[len(measured) - 1] is faster else 0.5

    plan, record = build_plan(gait, request(), flavour, measure=measure)
    assert len(measured) == 2
    assert record.identity.route is faster
    assert record.measured_s == 0.25
    assert plan in measured


def test_a_route_that_is_refused_leaves_the_other(gait, flavour, once, monkeypatch):
    real = builder.prepared_graph

    def refusing(onnx_bytes, route, precision):
        if route is Route.HOISTED:
            raise PlanRefused("not this one")
        return real(onnx_bytes, route, precision)

    monkeypatch.setattr(builder, "prepared_graph", refusing)
    assert build_plan(gait, request(), flavour)[1].identity.route is Route.PARSER
    assert build_plan(gait, request(), flavour, measure=lambda _: 1.0)[1].identity.route is Route.PARSER
    with pytest.raises(PlanRefused, match="hoisted: not this one"):
        build_plan(gait, request(route=Route.HOISTED), flavour)


def test_progress_rises_to_the_end_of_each_build(gait, flavour):
    told = []
    build_plan(gait, request(), flavour, lambda phase, fraction: told.append((phase, fraction)))
    fractions = [fraction for _, fraction in told]
    assert told[0] == ("preparing the graph", 0.0)
    assert fractions == sorted(fractions)
    assert fractions[-1] > 0.5
    assert len({phase for phase, _ in told}) > 3


def test_an_interrupt_during_a_build_arrives_after_it(gait, flavour):
    def interrupted(phase, fraction):
        if fraction > 0.1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_plan(gait, request(), flavour, interrupted)
    assert build_plan(gait, request(), flavour)[0]


def test_too_little_memory_is_refused_in_tensorrt_s_words(letters, flavour):
    with pytest.raises(PlanRefused, match=r"hoisted: .* workspace limit.*; parser: .* workspace limit"):
        build_plan(letters, request(parse_profile("64:1-512-4096"), memory_bytes=1 << 20), flavour)


def test_an_unknown_target_is_refused_by_name(gait, flavour):
    with pytest.raises(PlanRefused, match=r"target: expected any of SM75, .*, got 'SM90'"):
        build_plan(gait, request(targets=("SM90",)), flavour)


def test_a_plan_for_chosen_targets_has_an_identity_of_its_own(gait, flavour, once):
    plan, record = build_plan(gait, request(targets=("SM120", "SM89")), flavour)
    assert record.identity.target == "SM120,SM89"
    assert plan


def test_a_graph_that_the_parser_refuses_names_the_node(gait, flavour, monkeypatch):
    monkeypatch.setattr(builder, "prepared_graph", lambda *_: b"no graph at all")
    with pytest.raises(PlanRefused, match="graph"):
        build_plan(gait, request(), flavour)


def test_an_input_that_the_manifest_does_not_know_is_refused(gait, letters, flavour):
    mixed = SimpleNamespace(
        manifest=gait.manifest,
        artifact=SimpleNamespace(content=letters.artifact.content, signature=gait.artifact.signature),
    )
    with pytest.raises(PlanRefused, match=r"input h0_in: the manifest names sequence, lengths, h_in, c_in"):
        build_plan(mixed, request(), flavour)


def test_a_profile_that_tensorrt_does_not_accept_is_named(gait, flavour, monkeypatch):
    monkeypatch.setattr(builder, "_extents", lambda extent: (extent.most, extent.usual, extent.least))
    with pytest.raises(PlanRefused, match="profile 2:1-2-4: TensorRT does not accept it"):
        build_plan(gait, request(), flavour)
