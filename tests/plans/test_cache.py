"""The cache against a hostile disk: what comes out is what was put in, or nothing with a reason."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_records import identity, record

from service.plans.cache import CachedPlan, NoPlan, PlanCache
from service.plans.plan import Precision, Route

PLAN = bytes(range(256)) * 20
OTHERS = [
    {"flavour": "tensorrt"},
    {"version": "1.7.1.117"},
    {"onnx_sha256": "b" * 64},
    {"precision": Precision.FP16},
    {"route": Route.PARSER},
    {"profiles": ("16:1-4-8", "32:1-4-8")},
    {"profiles": ("16:1-4-9",)},
    {"flags": ("tf32=1",)},
    {"target": "SM89"},
    {"platform": "linux-aarch64"},
    {"builder_revision": 0},
]


@pytest.fixture
def cache(tmp_path):
    return PlanCache(tmp_path / "plans")


@pytest.fixture
def stored(cache):
    cache.store(PLAN, record(PLAN))
    return cache


def plan_file(cache) -> Path:
    (path,) = cache.folder.glob("*.plan")
    return path


def record_file(cache) -> Path:
    (path,) = cache.folder.glob("*.json")
    return path


def reason(cache, **changed) -> str:
    found = cache.find(identity(**changed))
    assert isinstance(found, NoPlan)
    return found.reason


def test_what_was_stored_is_found(stored):
    assert stored.find(identity()) == CachedPlan(PLAN, record(PLAN))


def test_a_cache_that_is_not_there_yet_holds_nothing(cache):
    assert reason(cache) == "none was built with these settings"
    assert list(cache.records()) == []


@pytest.mark.parametrize("changed", OTHERS, ids=str)
def test_whatever_decides_validity_makes_another_plan(stored, changed):
    assert reason(stored, **changed) == "none was built with these settings"
    stored.store(b"another", record(b"another", identity(**changed)))
    assert stored.find(identity()).plan == PLAN
    assert stored.find(identity(**changed)).plan == b"another"


@pytest.mark.parametrize("changed", OTHERS, ids=str)
def test_a_foreign_record_in_the_right_place_is_passed_over_by_name(stored, changed):
    (field,) = changed
    record_file(stored).write_text(record(PLAN, identity(**changed)).model_dump_json())
    found = stored.find(identity())
    assert found.is_spoilt
    assert f"not what was asked for: {field} " in found.reason


@given(st.integers(0, len(PLAN) - 1), st.integers(0, 7))
def test_one_flipped_bit_is_found_out(tmp_path_factory, position, bit):
    cache = PlanCache(tmp_path_factory.mktemp("plans"))
    cache.store(PLAN, record(PLAN))
    spoilt = bytearray(PLAN)
    spoilt[position] ^= 1 << bit
    plan_file(cache).write_bytes(spoilt)
    found = cache.find(identity())
    assert found == NoPlan(
        f"{plan_file(cache).name}: its SHA-256 is not that of the plan that was built", True
    )


@pytest.mark.parametrize("content", [b"", PLAN[:-1], PLAN + b"!", PLAN * 100])
def test_a_plan_of_another_length_is_found_out(stored, content):
    plan_file(stored).write_bytes(content)
    assert f"{len(PLAN)} were built" in reason(stored)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "EOF while parsing"),
        (b"{}", "model: Field required"),
        (b"\xff\xfe", "Invalid JSON"),
        (b'{"model": ' * 500, "Invalid JSON"),
        (b" " * (2 << 20), "EOF while parsing"),
    ],
    ids=["empty", "no fields", "not text", "deep", "huge"],
)
def test_a_record_that_is_none_is_passed_over(stored, content, words):
    record_file(stored).write_bytes(content)
    assert words in reason(stored)
    ((path, read),) = stored.records()
    assert path == record_file(stored)
    assert words in read.reason


def test_a_record_cannot_point_out_of_the_folder(stored, tmp_path):
    (tmp_path / "secret").write_bytes(PLAN)
    text = record_file(stored).read_text().replace(record(PLAN).plan_sha256, "../../secret".ljust(64, "x"))
    record_file(stored).write_text(text)
    assert "plan_sha256: String should match pattern" in reason(stored)


def test_a_record_without_its_plan_is_passed_over(stored):
    plan_file(stored).unlink()
    assert "No such file" in reason(stored)


@pytest.mark.parametrize("file", [plan_file, record_file])
def test_a_link_is_not_followed(stored, tmp_path, file):
    path = file(stored)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert "is a symbolic link" in reason(stored)


@pytest.mark.parametrize("file", [plan_file, record_file])
def test_a_pipe_does_not_hang_the_server(stored, file):
    path = file(stored)
    path.unlink()
    os.mkfifo(path)
    assert "is not a regular file" in reason(stored)


def test_a_link_is_replaced_and_its_target_left_alone(stored, tmp_path):
    target = tmp_path / "precious"
    target.write_text("mine")
    path = plan_file(stored)
    path.unlink()
    path.symlink_to(target)
    stored.store(PLAN, record(PLAN))
    assert target.read_text() == "mine"
    assert stored.find(identity()).plan == PLAN


def test_what_may_not_be_read_is_passed_over(stored, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", refused)
    assert "Permission denied" in reason(stored)
