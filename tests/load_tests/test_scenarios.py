"""Each command in a few seconds against a real server: what it counts, and how it ends."""

from __future__ import annotations

import orjson
from typer.testing import CliRunner

from load_tests.__main__ import app
from load_tests.slow.report import print_slow
from load_tests.slow.scenario import SlowPlan, slow


def results_of(path, *options):
    ran = CliRunner().invoke(app, [*options, "--json", str(path)])
    assert ran.exit_code == 0, ran.output
    return orjson.loads(path.read_bytes())["results"]


def test_replacing_a_model_loses_nothing(tmp_path):
    results = results_of(tmp_path / "r.json", "reload", "--times", "2", "--pause", "0.05")
    assert results["load"]["versions"] == [1, 2, 3]
    assert all(record["answers"] and record["lost"] == record["wrong"] == 0 for record in results.values())


def test_stopping_a_server_counts_every_door_and_only_a_loss_fails(tmp_path):
    options = ["stop", "--times", "1", "--seconds", "0.3", "--json", str(tmp_path / "s.json")]
    ran = CliRunner().invoke(app, options)
    (stop,) = orjson.loads((tmp_path / "s.json").read_bytes())["results"]
    lost = sum(count for name, count in stop["counts"].items() if name.endswith(": lost"))
    assert stop["status"] == 0
    assert ran.exit_code == (1 if lost else 0), ran.output
    for door in ("HTTP keep-alive", "gRPC calls", "gRPC streams"):
        assert stop["counts"][f"{door}: answered"] > 0


def test_overload_is_refused_and_not_lost(tmp_path):
    options = ("--seconds", "0.5", "--hidden", "128", "--timeout", "0.2", "--waiting", "64", "--factor", "4")
    (result,) = results_of(tmp_path / "o.json", "overload", *options, "--rounds", "1")
    assert all(peak > 0 for peak in result["peaks_per_s"])
    assert result["outcomes"]["answered"] > 0
    assert set(result["outcomes"]) & {"429 queue_full", "429 deadline_unreachable"}


def test_bad_clients_are_ended_beside_good_ones():
    ends = {"slow headers": "408", "10 MB header": "431"}
    plan = SlowPlan(connections=50, limit_s=0.2, seconds=0.7, attacks=tuple(ends))
    result = slow(plan)
    assert {attacked.name: set(attacked.ends) for attacked in result.attacked} == {
        name: {end} for name, end in ends.items()
    }
    assert all(attacked.good.requests > 0 for attacked in result.attacked)
    assert result.lost == 0
    print_slow(plan, result)
