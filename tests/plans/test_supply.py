"""Supplying a bundle: what is cached is not built, what is spoilt is built again, what is refused is said."""

from __future__ import annotations

from dataclasses import replace

import pytest
from built_once import build_once
from plan_records import NO_GPU

from service.errors import EngineFailed
from service.plans import supply
from service.plans.cache import CachedPlan, NoPlan, PlanCache, PlanNotStored
from service.plans.driver import Gpu
from service.plans.inventory import inventory
from service.plans.lookup import find_plan
from service.plans.plan import Route
from service.plans.profiles import parse_profile
from service.plans.request import BuildRequest, identity_of
from service.plans.supply import supply_plans

REQUEST = BuildRequest(tuple(map(parse_profile, ("1:1-2-4", "2:1-2-4"))), NO_GPU)
ONE = REQUEST.parts()[0]


@pytest.fixture
def cache(tmp_path):
    return PlanCache(tmp_path / "plans")


@pytest.fixture
def sha256(gait):
    return gait.manifest.files["model.onnx"]


@pytest.fixture
def supplied(gait, sha256, flavour, cache, monkeypatch):
    build_once(monkeypatch)

    def run(request=REQUEST, **given):
        return list(supply_plans(gait, sha256, request, flavour, cache, lambda _: lambda *_: None, **given))

    return run


def test_the_second_time_everything_is_cached(supplied):
    first, second = supplied(), supplied()
    assert [one.was_cached for one in first + second] == [False, False, True, True]
    assert [one.profile for one in first] == list(REQUEST.profiles)
    assert [one.record for one in first] == [one.record for one in second]


def test_what_is_asked_for_by_force_is_built_anew(supplied):
    supplied(ONE)
    assert [one.was_cached for one in supplied(ONE, is_forced=True)] == [False]


def test_a_spoilt_plan_is_built_anew_and_then_found(supplied, cache, sha256, flavour):
    supplied(ONE)
    (path,) = cache.folder.glob("*.plan")
    path.write_bytes(path.read_bytes()[:-1])
    found = find_plan(cache, sha256, ONE, flavour)
    assert isinstance(found, NoPlan)
    assert found.is_spoilt
    assert [one.was_cached for one in supplied(ONE)] == [False]
    assert isinstance(find_plan(cache, sha256, ONE, flavour), CachedPlan)


def test_one_refused_profile_does_not_cost_the_others_their_plans(supplied):
    huge = parse_profile("2:1-4096-65536")
    request = replace(REQUEST, profiles=(*REQUEST.profiles, huge), memory_bytes=1 << 24)
    *built, refused = supplied(request)
    assert all(one.record for one in built)
    assert refused.record is None
    assert "emory" in refused.reason


def test_a_plan_that_cannot_be_stored_is_a_reason(supplied, monkeypatch):
    def full(self, plan, record):
        raise PlanNotStored("plans: No space left on device")

    monkeypatch.setattr(supply.PlanCache, "store", full)
    assert {one.reason for one in supplied()} == {"plans: No space left on device"}


def test_of_two_measured_routes_the_faster_is_found(supplied, cache, sha256, flavour):
    for route, seconds in ((Route.HOISTED, 0.5), (Route.PARSER, 0.25)):
        supplied(replace(ONE, route=route))
        found = cache.find(identity_of(sha256, ONE, route, flavour))
        cache.store(found.plan, found.record.model_copy(update={"measured_s": seconds}))
    assert find_plan(cache, sha256, ONE, flavour).record.identity.route is Route.PARSER


def test_a_plan_from_a_machine_without_a_gpu_is_measured_beside_its_rival_on_one(supplied):
    supplied()
    seconds = iter([0.5, 0.25, 0.1, 0.2])
    first, second = supplied(measure=lambda _: next(seconds))
    assert not first.was_cached
    assert (first.record.identity.route, first.record.measured_s) == (Route.PARSER, 0.25)
    assert (second.record.identity.route, second.record.measured_s) == (Route.HOISTED, 0.1)
    assert all(one.was_cached for one in supplied(measure=lambda _: 1.0))


def test_a_plan_that_does_not_run_on_the_gpu_leaves_the_other_route_and_the_other_profiles(supplied):
    outcomes = iter([EngineFailed("no room"), 0.25, EngineFailed("no room"), EngineFailed("no room")])

    def measure(_):
        outcome = next(outcomes)
        if isinstance(outcome, EngineFailed):
            raise outcome
        return outcome

    first, second = supplied(measure=measure)
    assert first.record.identity.route is Route.PARSER
    assert second.record is None
    assert second.reason.count("built, but does not run: no room") == 2


def test_where_the_route_is_open_a_plan_of_either_will_do(supplied, cache, sha256, flavour):
    supplied(replace(ONE, route=Route.PARSER))
    assert [one.was_cached for one in supplied(ONE)] == [True]
    assert [one.was_cached for one in supplied(replace(ONE, route=Route.HOISTED))] == [False]


def stock(cache, flavour, hashes, device=NO_GPU):
    return [plan.objection for plan in inventory(cache, flavour, device, hashes)]


def test_the_inventory_says_what_is_valid_here_and_why_not(supplied, cache, sha256, flavour):
    supplied()
    assert stock(cache, flavour, {sha256}) == [None, None]
    assert set(stock(cache, flavour, set())) == {"built from a graph that no bundle here has"}
    newer = replace(flavour, version="1.8.0.1")
    assert set(stock(cache, newer, {sha256})) == {f"version {flavour.version} is not 1.8.0.1"}
    full = replace(flavour, name="tensorrt", version="10.16.1.11")
    assert all("flavour tensorrt-rtx is not tensorrt" in one for one in stock(cache, full, {sha256}))


def test_the_inventory_knows_which_gpu_a_plan_is_for(supplied, cache, sha256, flavour):
    supplied(replace(REQUEST, targets=("SM89",)))
    ada, hopper = (Gpu(name, cc, 1 << 30, (13, 0)) for name, cc in (("L4", (8, 9)), ("H200", (9, 0))))
    assert stock(cache, flavour, {sha256}, ada) == [None, None]
    assert set(stock(cache, flavour, {sha256}, hopper)) == {"target SM89 is not SM90"}


def test_the_inventory_finds_the_spoilt_and_the_unreadable(supplied, cache, sha256, flavour):
    supplied()
    next(cache.folder.glob("*.plan")).write_bytes(b"short")
    (cache.folder / "odd.json").write_text("{")
    objections = stock(cache, flavour, {sha256})
    assert objections.count(None) == 1
    assert any("bytes" in one for one in objections if one)
    assert any("odd.json" in one for one in objections if one)
