"""The child process that a server starts: one line of JSON, a status, and nothing it could break."""

from __future__ import annotations

import json
import sys
from subprocess import CompletedProcess

import pytest
from forked_process import ForkedProcess

from service.plans import __main__ as program
from service.plans.flavour import NoTensorRt

PROFILE = ("--profile", "2:1-2-4")


@pytest.fixture
def run(tmp_path):
    def start(*arguments):
        command = [sys.executable, "-m", "service.plans", *arguments, "--plans-dir", tmp_path / "plans"]
        complaints = tmp_path / "complaints"
        with complaints.open("w") as stderr:
            process = ForkedProcess(command, stderr=stderr)
            stdout, _ = process.communicate()
        return CompletedProcess(command, process.returncode, stdout, complaints.read_text())

    return start


def test_it_builds_reports_in_one_line_and_finds_its_work_again(run, published, flavour):
    first, second = (run(published / "gait" / "1", *PROFILE) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    (line,) = first.stdout.splitlines()
    report = json.loads(line)
    assert report["ok"] is True
    assert [plan["profile"] for plan in report["plans"]] == ["2:1-2-4"]
    assert report["plans"][0]["bytes"] > 10_000
    assert [json.loads(one.stdout)["plans"][0]["cached"] for one in (first, second)] == [False, True]


def test_what_is_refused_is_reported_and_the_status_says_so(run, published, flavour):
    result = run(published / "gait" / "1", *PROFILE, "--precision", "bf16", "--route", "parser")
    assert result.returncode == 1
    report = json.loads(result.stdout)
    assert report["ok"] is False
    assert "half precision" in report["plans"][0]["refused"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--profile", "nonsense"), "profile: expected like"),
        ((*PROFILE, "--target", "SM90"), "target: expected any of"),
    ],
)
def test_a_request_that_cannot_be_is_refused_before_any_build(
    published, flavour, tmp_path, monkeypatch, capfd, arguments, words
):
    monkeypatch.setattr(program.os, "nice", lambda _: 0)
    monkeypatch.setattr(program, "configure_logs", lambda *_, **__: None)
    bundle, plans = str(published / "gait" / "1"), str(tmp_path / "plans")
    assert program.main([bundle, *arguments, "--plans-dir", plans]) == 1
    report = json.loads(capfd.readouterr().out)
    assert report["ok"] is False
    assert words in (report.get("error") or report["plans"][0]["refused"])


def test_a_bundle_that_was_touched_is_reported_not_built(run, models_dir):
    with (models_dir / "gait" / "1" / "model.onnx").open("ab") as file:
        file.write(b"!")
    result = run(models_dir / "gait" / "1", *PROFILE)
    assert result.returncode == 1
    assert "SHA-256" in json.loads(result.stdout)["error"]


def test_without_tensorrt_it_says_what_to_install(published, tmp_path, monkeypatch, capfd):
    def missing(device):
        raise NoTensorRt("no TensorRT can be used here; pip install '.[gpu-rtx]'")

    monkeypatch.setattr(program, "load_flavour", missing)
    monkeypatch.setattr(program.os, "nice", lambda _: 0)
    monkeypatch.setattr(program, "configure_logs", lambda *_, **__: None)
    assert program.main([str(published / "gait" / "1"), "--plans-dir", str(tmp_path)]) == 1
    assert ".[gpu-rtx]" in json.loads(capfd.readouterr().out)["error"]
