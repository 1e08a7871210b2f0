"""`carousel build`, run as a user runs it."""

from __future__ import annotations

import re

import pytest
from built_once import build_once, build_one
from typer.testing import CliRunner

from cli import extras
from cli.main import app
from service.plans import flavour as flavours
from service.plans.cache import PlanCache
from service.plans.chosen import profiles_of
from service.plans.driver import NoGpu
from service.plans.flavour import NoTensorRt, load_flavour
from service.repository.scanner import read_bundle

SMALL = ("--profile", "2:1-2-4")


@pytest.fixture
def build(models_dir, tmp_path, monkeypatch):
    """Build from a folder of two small bundles; skipped where TensorRT-RTX is not installed."""
    monkeypatch.chdir(tmp_path)
    build_once(monkeypatch)
    try:
        load_flavour(NoGpu("these tests need none"))
    except NoTensorRt as failure:
        pytest.skip(failure.message)
    return lambda *arguments: CliRunner().invoke(app, ["build", *map(str, arguments)])


def lines(result, word):
    return [line for line in result.output.splitlines() if line.rstrip().endswith(f" {word}")]


def test_every_profile_is_a_line_with_size_seconds_and_whether_it_can_be_captured(build):
    result = build("gait", *SMALL, "--profile", "1-2-4:1-2-4")
    assert result.exit_code == 0, result.output
    fixed, net = lines(result, "built")
    assert re.match(r"gait/1 +2 +1-2-4 +[\d,]{6,} +\d+\.\d\d +yes +hoisted ", fixed)
    assert re.match(r" +1-2-4 +1-2-4 +[\d,]{6,} +\d+\.\d\d +no +hoisted ", net)
    assert re.search(r"tensorrt-rtx 1\.\d+\.\d+\.\d+, fp32, in plans", result.output)


def test_the_second_build_finds_everything_and_force_builds_anew(build, tmp_path):
    results = [build("gait", *SMALL, *more) for more in ((), (), ("--force",))]
    assert [len(lines(result, "cached")) for result in results] == [0, 1, 0]
    assert len(list((tmp_path / "plans").glob("*.json"))) == 1


def test_all_builds_every_bundle_with_profiles_for_its_own_lengths(build, monkeypatch):
    build_one(monkeypatch)
    result = build("--all")
    assert result.exit_code == 0, result.output
    steps = [line[len("letters/1") :].split()[0] for line in lines(result, "built")]
    assert re.findall(r"^\w+/1", result.output, re.MULTILINE) == ["gait/1", "letters/1"]
    assert set(steps) == {"1", "16", "32", "64", "1-64-256"}


def test_profiles_follow_a_file_of_lengths(build, tmp_path, monkeypatch):
    build_one(monkeypatch)
    (tmp_path / "lengths.txt").write_text("\n".join(["20"] * 50))
    result = build("gait", "--lengths", "lengths.txt")
    steps = [line.removeprefix("gait/1").split()[0] for line in lines(result, "built")]
    assert steps == ["1", "16", "32", "1-32-128"]


@pytest.mark.parametrize("content", ["", "12 -3", "12,5", "0"])
def test_a_file_that_holds_no_lengths_is_refused(build, tmp_path, content):
    (tmp_path / "lengths.txt").write_text(content)
    result = build("gait", "--lengths", "lengths.txt")
    assert result.exit_code == 1
    assert "lengths.txt: expected lengths as whole numbers of 1 or more" in result.output


def test_what_tensorrt_refuses_is_said_in_the_table_and_by_the_status(build):
    result = build("gait", *SMALL, "--target", "SM90")
    assert result.exit_code == 1
    assert re.search(r"gait/1 .*refused: target: expected any of SM75", result.output)


def test_precision_and_route_are_part_of_what_is_cached(build, tmp_path):
    for given in (("--precision", "fp16"), ("--route", "parser"), ("--route", "hoisted")):
        assert lines(build("gait", *SMALL, *given), "built")
    assert len(list((tmp_path / "plans").glob("*.json"))) == 3


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((), 2, "name at least one bundle, or --all"),
        (("nobody",), 1, "there is no nobody in models, there are: gait, letters"),
        (("gait", "--profile", "x"), 1, "profile: expected like 32:1-16-64"),
        (("gait", "--precision", "fp8"), 2, "'fp8' is not one of"),
        (("gait", "--route", "scenic"), 2, "'scenic' is not one of"),
        (("gait", "--models-dir", "nowhere"), 1, "nowhere: no such folder"),
        (("gait", "--plans-dir", "models/gait/1/model.onnx", *SMALL), 1, "File exists"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(build, arguments, status, words):
    result = build(*arguments)
    assert result.exit_code == status
    assert words in result.output


def test_without_tensorrt_the_error_names_the_extra(build, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(flavours, "import_module", missing)
    monkeypatch.setattr(flavours, "_flavour", flavours._flavour.__wrapped__)
    result = build("gait")
    assert result.exit_code == 1
    assert "pip install -e '.[gpu-rtx]'" in result.output


def test_the_folder_of_plans_is_kept_below_its_bound(build, tmp_path, monkeypatch):
    monkeypatch.setenv("CAROUSEL_MAX_PLANS_BYTES", "0")
    assert build("gait", *SMALL).exit_code == 0
    assert not list((tmp_path / "plans").glob("*.plan"))


def test_profiles_that_were_given_are_those_of_later_builds_and_of_the_server(build, tmp_path, models_dir):
    assert build("gait", *SMALL).exit_code == 0
    assert len(lines(build("gait"), "cached")) == 1
    bundle, cache = read_bundle(models_dir / "gait" / "1"), PlanCache(tmp_path / "plans")
    profiles = profiles_of(cache, bundle.manifest.files["model.onnx"], bundle.manifest.signature, [500])
    assert [str(profile) for profile in profiles] == [SMALL[1]]


def test_one_spoilt_bundle_does_not_keep_the_others_from_being_built(build, models_dir):
    (models_dir / "gait" / "1" / "model.onnx").write_bytes(b"")
    result = build("--all", *SMALL)
    assert result.exit_code == 1
    assert "letters/1" in result.output
    assert "gait/1/model.onnx: its SHA-256" in result.output.replace("\n", "")


def test_names_and_all_at_once_are_refused(build):
    assert build("gait", "--all").exit_code == 2


def test_without_onnx_the_error_names_the_extra(build, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    result = build("gait")
    assert result.exit_code == 1
    assert "onnx not installed" in result.output
    assert "pip install -e '.[plans]'" in result.output
