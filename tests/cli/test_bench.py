"""`carousel bench`, run as a user runs it."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from cli import bench_run, bench_show
from cli.main import app
from load_tests.engines.outcome import Ran, Unmeasured, Verdict, read_outcome, write_outcome
from model_export.recipes import catalogue
from service.plans.driver import NoGpu

QUICK = ("--most-rows", "2", "--seconds", "0.05", "--repeats", "3", "--output", "report")


@pytest.fixture
def bench(models_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench_run, "find_gpu", lambda: NoGpu("none is wanted"))
    return lambda *arguments: CliRunner().invoke(app, ["bench", *map(str, arguments)])


@pytest.fixture(scope="module")
def compared(published, tmp_path_factory):
    """A report's outcome, measured once for those who only read it."""
    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench_run, "find_gpu", lambda: NoGpu("none is wanted"))
        given = ["bench", "gait", "--lengths", "3", *QUICK, "--models-dir", published, "--output", folder]
        assert CliRunner().invoke(app, list(map(str, given))).exit_code == 0
    return folder / "comparison.json"


def test_engines_are_compared_on_bundles_and_on_untrained_models(bench, tmp_path):
    result = bench("gait", "--hidden", "8", "--layers", "1,2", "--lengths", "3,5", *QUICK)
    assert result.exit_code == 0, result.output
    outcome = read_outcome(tmp_path / "report" / "comparison.json")
    assert [one.model for one in outcome.models] == ["gait", "lstm-1x8", "lstm-2x8"]
    for model in outcome.models:
        points = {(one.rows, one.steps) for one in model.measurements}
        assert points == {(1, 3), (2, 3), (1, 5), (2, 5)}
        assert all(seconds > 0 for one in model.measurements for seconds in one.host_s)
        assert (tmp_path / "report" / f"{model.model}.png").stat().st_size > 10_000
        assert f"{model.name}, 5 steps" in result.output
    assert outcome.machine["cores"]
    assert re.fullmatch(r"[0-9a-f]{40}\+?|unknown", outcome.commit)
    assert "not here: torch.nn.LSTM: none is wanted" in result.output
    assert "There is no GPU here" in result.output


def test_a_report_can_be_shown_and_drawn_again_elsewhere(bench, compared, tmp_path):
    result = bench("--redraw", compared, "--output", tmp_path)
    assert result.exit_code == 0, result.output
    assert "gait/1, 3 steps" in result.output
    assert (tmp_path / "gait.png").exists()


def test_the_exit_status_says_that_an_engine_answered_wrongly(bench, compared, tmp_path):
    path, outcome = tmp_path / "comparison.json", read_outcome(compared)
    wrong = Unmeasured(
        ran=Ran(engine="a", precision="fp16", setting="b", device="gpu"),
        rows=1,
        steps=3,
        verdict=Verdict.WRONG,
        reason="off by 1",
    )
    spoilt = outcome.models[0].model_copy(update={"unmeasured": (wrong,)})
    write_outcome(path, outcome.model_copy(update={"models": (spoilt,)}))
    result = bench("--redraw", path)
    assert result.exit_code == 1
    assert "wrong: a fp16, b: 1 rows of 3 steps: off by 1" in result.output


def test_without_matplotlib_table_and_file_are_there_all_the_same(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(bench_show, "find_spec", lambda _: None)
    result = bench("gait", "--lengths", "3", *QUICK)
    assert result.exit_code == 0, result.output
    assert "for pictures: pip install -e '.[export]'" in result.output
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["comparison.json"]


def test_training_is_timed_and_nothing_is_kept_of_it(bench, tmp_path, monkeypatch):
    monkeypatch.setitem(catalogue._RECIPES, "slopes", ("slopes", "Slopes", ()))
    monkeypatch.setattr(catalogue, "import_module", lambda _: __import__("tiny_recipe"))
    # More seconds than thirty steps take on the busiest machine.
    result = bench("slopes", "--training", "--seconds", "60", "--output", "report")
    assert result.exit_code == 0, result.output
    (timed, *_) = read_outcome(tmp_path / "report" / "comparison.json").trainings
    assert (timed.recipe, timed.device, timed.steps) == ("slopes", "cpu", 30)
    assert len(timed.step_s) == 30 - 4
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((), 2, "name at least one bundle, or give --hidden"),
        (("nobody",), 1, "there is no nobody in models"),
        (
            ("gait", "--lengths", "3,x"),
            1,
            "--lengths: expected whole numbers of 1 or more as 128,256, got 'x'",
        ),
        (("--hidden", "0"), 1, "--hidden: expected whole numbers of 1 or more"),
        (("gait", "--precision", "fp8"), 1, "--precision: expected any of fp32, fp16, bf16"),
        (("gait", "--training"), 1, "there is no recipe gait"),
        (("--redraw", "nowhere.json"), 1, "nowhere.json"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(bench, arguments, status, words):
    result = bench(*arguments)
    assert result.exit_code == status
    assert words in " ".join(result.output.split())
