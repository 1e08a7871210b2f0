"""Profiles that somebody built with are remembered; what cannot be read is as if nothing had been."""

from __future__ import annotations

import pytest
from fakes import running_sum_signature

from service.errors import InvalidRequest
from service.plans.cache import PlanCache, PlanNotStored
from service.plans.chosen import profiles_of, remember
from service.plans.profiles import parse_profile, profiles_for

SIGNATURE = running_sum_signature()
GIVEN = (parse_profile("8:1-2-4"), parse_profile("1-16-64:1-2-4"))
GRAPH = "ab" * 32


@pytest.fixture
def cache(tmp_path):
    return PlanCache(tmp_path / "plans")


def test_what_was_given_is_remembered_for_this_graph_only(cache):
    remember(cache, GRAPH, GIVEN)
    assert profiles_of(cache, GRAPH, SIGNATURE, [500]) == GIVEN
    assert profiles_of(cache, "cd" * 32, SIGNATURE, [500]) == profiles_for(SIGNATURE, [500])


def test_what_is_given_now_comes_before_what_is_remembered(cache):
    remember(cache, GRAPH, GIVEN)
    assert [str(one) for one in profiles_of(cache, GRAPH, SIGNATURE, [500], ["4:1-1-1"])] == ["4:1-1-1"]


@pytest.mark.parametrize("content", [b"", b"[", b"[1]", b'["8"]', b"{}", b"7", b"null"])
def test_a_spoilt_memory_is_none(cache, content):
    remember(cache, GRAPH, GIVEN)
    (path,) = cache.folder.iterdir()
    path.write_bytes(content)
    assert profiles_of(cache, GRAPH, SIGNATURE, [500]) == profiles_for(SIGNATURE, [500])


def test_a_folder_that_takes_nothing_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PlanNotStored, match="file"):
        remember(PlanCache(tmp_path / "file"), GRAPH, GIVEN)


def test_a_given_profile_too_large_for_tensorrt_is_refused_with_what_is_possible():
    with pytest.raises(InvalidRequest, match="at 1000000 steps at most 268 rows are possible"):
        profiles_for(SIGNATURE, [], ["1000000:1-1024-4096"])
