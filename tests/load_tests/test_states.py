"""The comparison of where states rest: both give the same numbers; without a GPU it says so."""

from __future__ import annotations

import pytest
from fake_gpu import Device
from typer.testing import CliRunner

from load_tests.__main__ import app
from load_tests.states.report import print_states
from load_tests.states.ticks import compare
from service.backends.device_table import StateRoom
from service.errors import EngineFailed
from service.plans.driver import Gpu, find_gpu


def test_states_on_the_host_and_on_the_device_lead_to_the_same_output(capsys):
    device = Device(room=StateRoom(64, 1 << 20)).loaded()
    found = compare(device.backend, device.signature, rows=6, steps=3, ticks=60)
    assert found.largest_difference == 0
    assert min(found.host_s, found.device_s) > 0
    assert device.backend.capability.table.in_use == 0
    print_states([found])
    assert "host / device" in capsys.readouterr().out


def test_more_streams_than_the_table_has_rows_are_refused():
    device = Device(room=StateRoom(8, 1 << 20)).loaded()
    with pytest.raises(EngineFailed, match="no table for 6 streams"):
        compare(device.backend, device.signature, rows=6, steps=1, ticks=1)


@pytest.mark.skipif(isinstance(find_gpu(), Gpu), reason="there is a GPU")
def test_without_a_gpu_there_is_nothing_to_compare():
    answer = CliRunner().invoke(app, ["states"])
    assert answer.exit_code == 2
    assert "carousel doctor" in answer.output
