"""Writing to the cache: a whole plan or none, whatever fails and whoever else writes."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
from plan_records import identity, record

from service.plans.cache import CachedPlan, NoPlan, PlanCache, PlanNotStored

PLAN = bytes(range(256)) * 20


@pytest.fixture
def cache(tmp_path):
    return PlanCache(tmp_path / "plans")


@pytest.fixture
def stored(cache):
    cache.store(PLAN, record(PLAN))
    return cache


def refuse(monkeypatch, name, code):
    def refused(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, name, refused)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("suffix", [".plan", ".json"])
def test_a_full_disk_leaves_no_half_plan(cache, monkeypatch, suffix):
    real = os.open

    def on_a_full_disk(path, flags, *rest, **named):
        is_hit = flags & os.O_WRONLY and suffix in Path(path).name
        return real("/dev/full", os.O_WRONLY) if is_hit else real(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", on_a_full_disk)
    with pytest.raises(PlanNotStored, match=f"No space left on device; the plan needs {len(PLAN):,} bytes"):
        cache.store(PLAN, record(PLAN))
    assert list(cache.folder.iterdir()) == []
    assert cache.find(identity()) == NoPlan("none was built with these settings")


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_whatever_call_fails_the_earlier_plan_stays_in_use(stored, monkeypatch, call):
    refuse(monkeypatch, call, errno.EIO)
    with pytest.raises(PlanNotStored, match="Input/output error"):
        stored.store(b"newer", record(b"newer"))
    assert stored.find(identity()).plan == PLAN
    assert len(list(stored.folder.iterdir())) == 2


def test_a_folder_that_is_a_file_is_said_so(tmp_path):
    (tmp_path / "plans").write_text("")
    with pytest.raises(PlanNotStored, match="plans: File exists"):
        PlanCache(tmp_path / "plans").store(PLAN, record(PLAN))


def test_writers_and_readers_at_once_never_see_a_mixture(cache):
    plans = [bytes([number]) * (5000 + number) for number in range(8)]
    cache.store(plans[0], record(plans[0]))
    seen, done = [], threading.Event()

    def write(plan):
        for _ in range(12):
            cache.store(plan, record(plan))

    def read():
        while not done.is_set():
            seen.append(cache.find(identity()))

    writers = [threading.Thread(target=write, args=(plan,)) for plan in plans]
    reader = threading.Thread(target=read)
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert all(isinstance(found, CachedPlan) and found.plan in plans for found in seen)
    assert cache.find(identity()).plan in plans
    assert not [path for path in cache.folder.iterdir() if path.suffix == ".writing"]
