"""A client that disturbs its server no more than one elsewhere."""

from __future__ import annotations

import os

import pytest

from load_tests import cores
from load_tests.cores import beside, yielding

linux_only = pytest.mark.skipif(not cores.CAN_YIELD, reason="needs Linux")


@linux_only
def test_a_client_yields_to_its_server_only_while_it_measures():
    before = os.sched_getscheduler(0)
    with yielding():
        assert os.sched_getscheduler(0) == os.SCHED_BATCH
    assert os.sched_getscheduler(0) == before


@linux_only
def test_a_client_keeps_off_its_server_s_core_only_while_it_measures():
    before = os.sched_getaffinity(0)
    core = min(before)
    with beside(core):
        assert os.sched_getaffinity(0) == (before - {core} or before)
    assert os.sched_getaffinity(0) == before


@linux_only
def test_where_there_is_no_such_policy_a_client_measures_all_the_same(monkeypatch):
    monkeypatch.setattr(cores, "CAN_YIELD", False)
    before = os.sched_getscheduler(0)
    with yielding():
        assert os.sched_getscheduler(0) == before
