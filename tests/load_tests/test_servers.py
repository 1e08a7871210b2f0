"""The commands against a real server with a small bundle."""

from __future__ import annotations

import orjson
import pytest
from typer.testing import CliRunner

from load_tests.__main__ import app
from load_tests.overhead import BARE, PREDICT, V2, OverheadPlan, measure_overhead
from load_tests.overhead_report import print_overhead
from load_tests.padding.two_layer_bundle import write_two_layer_bundle
from load_tests.server_process import ServerFailed, carousel_server
from load_tests.workloads import W2


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_two_layer_bundle(folder)
    return folder


def test_overhead_measures_each_target_at_each_number_of_connections(models_dir):
    plan = OverheadPlan(models_dir, "two-layer", W2, (4, 1), seconds=0.1, rounds=1)
    result = measure_overhead(plan)
    targets = [(reading.target, reading.connections) for reading in result.readings]
    assert targets == [(BARE, 4), (BARE, 1), (PREDICT, 4), (V2, 4), (PREDICT, 1), (V2, 1)]
    assert result.error_count == 0
    assert all(reading.summary.requests > 0 for reading in result.readings)
    assert result.readings[0].summary.answer_bytes == pytest.approx(
        result.readings[2].summary.answer_bytes, abs=40
    )
    assert result.first_answers_s[0] > 0
    assert result.resident_mib[0] > 20
    print_overhead(plan, result)


def test_a_running_server_is_loaded_with_both_workloads(models_dir, tmp_path):
    path = tmp_path / "load.json"
    with carousel_server(models_dir) as server:
        options = [
            "--url",
            server.address.url,
            "--model",
            "two-layer",
            "--connections",
            "3",
            "--seconds",
            "0.1",
        ]
        ran = CliRunner().invoke(app, [*options, "--json", str(path)])
    assert ran.exit_code == 0, ran.output
    results = orjson.loads(path.read_bytes())["results"]
    assert [(load["workload"], load["connections"]) for load in results] == [
        ("W1", 1),
        ("W1", 3),
        ("W2", 1),
        ("W2", 3),
    ]
    assert all(load["summary"]["requests"] > 0 and not load["summary"]["errors"] for load in results)


def test_a_server_that_cannot_start_is_quoted(tmp_path):
    with pytest.raises(ServerFailed, match="no such folder"), carousel_server(tmp_path / "missing"):
        pass
