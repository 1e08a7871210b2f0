"""Pruning: the least recently used go first, and nobody's unfinished work."""

from __future__ import annotations

import os
import time

import pytest
from plan_records import identity, record

from service.plans.cache import CachedPlan, NoPlan, PlanCache

SIZE = 10_000


@pytest.fixture
def cache(tmp_path):
    return PlanCache(tmp_path)


def age(path, hours):
    then = time.time() - 3600 * hours
    os.utime(path, (then, then))


def store(cache, number, hours):
    plan = bytes([number]) * SIZE
    cache.store(plan, record(plan, identity(target=str(number))))
    for path in cache.folder.glob(f"{identity(target=str(number)).digest}.*"):
        age(path, hours)


def kept(cache):
    return [n for n in range(5) if isinstance(cache.verify(identity(target=str(n))), CachedPlan)]


def test_the_least_recently_used_go_until_the_rest_fits(cache):
    for number in range(5):
        store(cache, number, hours=10 - number)
    assert cache.prune(int(3.5 * SIZE)) == 2
    assert kept(cache) == [2, 3, 4]
    assert sum(path.stat().st_size for path in cache.folder.iterdir()) <= 3.5 * SIZE


def test_finding_a_plan_is_using_it_and_verifying_it_is_not(cache):
    for number in range(3):
        store(cache, number, hours=10 - number)
    cache.find(identity(target="0"))
    cache.verify(identity(target="1"))
    cache.prune(int(1.5 * SIZE))
    assert kept(cache) == [0]


def test_a_cache_that_fits_is_left_alone(cache):
    store(cache, 1, hours=10_000)
    assert cache.prune(2 * SIZE) == 0
    assert kept(cache) == [1]


def test_what_a_writer_left_behind_goes_after_an_hour_and_not_before(cache):
    for name, hours in (("old.1.plan", 2), ("old.2.plan.x.writing", 2), ("new.1.plan", 0.5)):
        (cache.folder / name).write_bytes(b"half")
        age(cache.folder / name, hours)
    cache.prune(0)
    assert [path.name for path in cache.folder.iterdir()] == ["new.1.plan"]


def test_files_that_are_not_plans_are_nobody_s_business(cache):
    (cache.folder / "README.md").write_text("mine")
    age(cache.folder / "README.md", 100)
    cache.prune(0)
    assert (cache.folder / "README.md").exists()


def test_a_plan_built_anew_replaces_the_old_one_on_the_disk(cache):
    store(cache, 1, hours=2)
    newer = b"!" * SIZE
    cache.store(newer, record(newer, identity(target="1")))
    assert len(list(cache.folder.glob("*.plan"))) == 1
    assert cache.find(identity(target="1")).plan == newer


def test_a_plan_that_another_process_is_about_to_record_is_spared(cache):
    theirs = cache.folder / f"{identity().digest}.{'0' * 16}.plan"
    theirs.write_bytes(b"theirs")
    cache.store(b"mine", record(b"mine"))
    assert theirs.exists()


def test_pruning_a_folder_that_is_not_there_is_nothing(tmp_path):
    cache = PlanCache(tmp_path / "nowhere")
    assert cache.prune(0) == 0
    assert isinstance(cache.find(identity()), NoPlan)
