"""The commands, run as a user runs them."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
from tiny_recipe import Slopes
from typer.testing import CliRunner

from cli.console import out
from cli.main import app
from model_export.recipes import catalogue
from service.repository.golden import read_golden


@pytest.fixture
def carousel(tmp_path, monkeypatch):
    """Run a command in an empty folder whose only recipe is the tiny one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(catalogue._RECIPES, "slopes", ("slopes", "Slopes", ()))
    monkeypatch.setattr(catalogue, "import_module", lambda _: __import__("tiny_recipe"))

    def run(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture(scope="module")
def trained_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("trained")


@pytest.fixture
def released(carousel, trained_folder, tmp_path):
    """The tiny model, trained and published once for all tests of this file."""
    if not (trained_folder / "models").exists():
        result = carousel("release", "slopes", "--threads", 1)
        assert result.exit_code == 0, result.output
        assert "published slopes/1" in result.output
        for name in ("models", "checkpoints"):
            shutil.copytree(tmp_path / name, trained_folder / name)
    else:
        for name in ("models", "checkpoints"):
            shutil.copytree(trained_folder / name, tmp_path / name)
    return tmp_path


def test_train_prints_the_result_beside_its_reference(carousel):
    result = carousel("train", "slopes", "--threads", 1)
    assert result.exit_code == 0
    assert re.search(r"mean error\s+[\d.e-]+ 1\s+<= 1\s+none 2", result.output)


def test_export_writes_the_sequence_graph(carousel, released):
    result = carousel("export", "slopes", "--output", released / "slopes.onnx")
    assert result.exit_code == 0
    assert "sequence   ['time', 'batch', 2]" in result.output
    assert (released / "slopes.onnx").read_bytes() == (released / "models/slopes/1/model.onnx").read_bytes()


def test_release_from_a_checkpoint_gives_the_same_bundle(carousel, released):
    before = (released / "models/slopes/1/manifest.json").read_bytes()
    shutil.rmtree(released / "models")
    assert carousel("release", "slopes", "--from-checkpoint").exit_code == 0
    assert (released / "models/slopes/1/manifest.json").read_bytes() == before


def test_release_publishes_nothing_that_misses_its_goal(carousel, monkeypatch, tmp_path):
    monkeypatch.setattr(Slopes, "__init__", lambda self: setattr(self, "_goal", 0.0))
    result = carousel("release", "slopes", "--threads", 1)
    assert result.exit_code == 1
    assert "misses its goal" in result.output
    assert not (tmp_path / "models").exists()


def test_release_wants_a_name(carousel):
    assert carousel("release").exit_code == 2


@pytest.mark.parametrize("command", ["train", "export", "release"])
def test_an_unknown_name_is_answered_with_the_known_ones(carousel, command):
    result = carousel(command, "nothing")
    assert result.exit_code == 1
    assert "there is no recipe nothing, there are: " in result.output
    assert "slopes" in result.output


def test_export_without_a_checkpoint_says_how_to_get_one(carousel):
    result = carousel("export", "slopes")
    assert result.exit_code == 1
    assert "carousel train slopes" in result.output


def test_models_lists_what_is_there(carousel, released):
    result = carousel("models")
    assert result.exit_code == 0
    assert re.search(r"slopes/1\s+vanilla\s+forecast\s+2\s+mean error", result.output)


def test_models_breaks_no_word_where_the_terminal_is_narrow(carousel, released, monkeypatch):
    whole = carousel("models").output.split()
    for width in (80, 20):
        monkeypatch.setattr(out, "_width", width)
        assert sorted(carousel("models").output.split()) == sorted(whole)


def test_models_refuses_a_bundle_that_was_touched(carousel, released):
    with (released / "models/slopes/1/model.onnx").open("ab") as file:
        file.write(b"!")
    result = carousel("models")
    assert result.exit_code == 1
    assert "SHA-256" in result.output


def test_doctor_is_content_with_sound_bundles_and_not_without(carousel, released):
    assert carousel("doctor").exit_code == 0
    shutil.rmtree(released / "models")
    result = carousel("doctor")
    assert result.exit_code == 1
    assert "no such folder" in result.output


def as_csv(path, sequence):
    np.savetxt(path, sequence, delimiter=",", fmt="%.17g")


def as_csv_with_names(path, sequence):
    np.savetxt(path, sequence, delimiter=",", fmt="%.17g", header="x,y", comments="")


def as_npy(path, sequence):
    np.save(path, sequence)


def as_json_list(path, sequence):
    path.write_text(json.dumps(sequence.tolist()))


def as_json_request(path, sequence):
    path.write_text(json.dumps({"sequences": [sequence.tolist(), sequence[:1].tolist()]}))


@pytest.mark.parametrize(
    ("write", "suffix"),
    [
        (as_csv, "csv"),
        (as_csv_with_names, "csv"),
        (as_npy, "npy"),
        (as_json_list, "json"),
        (as_json_request, "json"),
    ],
)
def test_predict_reads_a_file_and_prints_a_table(carousel, released, write, suffix):
    golden = read_golden(released / "models/slopes/1")
    path = released / f"line.{suffix}"
    write(path, golden.sequences[-1].astype(np.float64))
    result = carousel("predict", "slopes", path)
    assert result.exit_code == 0, result.output
    assert re.search(rf"^0\s+{golden.outputs[-1][0]:.4g}\s+1\s*$", result.output, flags=re.MULTILINE)
    assert "slopes/1 on cpu" in result.output


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("line.xyz", "", "expected one of .csv, .npy, .json"),
        ("line.json", "[[1,", "line.json: unexpected end of data"),
        ("line.json", "[[1, 2], [3]]", "sequence: lists side by side differ in shape: expected steps x 2"),
        ("line.csv", "1,2\n3,oops\n", "could not convert string to float"),
        ("line.csv", "1,2,3\n", "sequence: expected steps x 2, got 1 x 3"),
    ],
)
def test_predict_says_what_is_wrong_with_a_file(carousel, released, name, text, message):
    path = released / name
    path.write_text(text)
    result = carousel("predict", "slopes", path)
    assert result.exit_code == 1
    assert message in result.output


def test_predict_names_the_model_that_is_not_there(carousel, released):
    path = released / "line.csv"
    path.write_text("1,2\n")
    result = carousel("predict", "nothing", path)
    assert result.exit_code == 1
    assert "there is no nothing" in result.output


def test_predict_says_when_a_server_does_not_answer(carousel, released):
    path = released / "line.csv"
    path.write_text("1,2\n")
    result = carousel("predict", "slopes", path, "--url", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "refused" in result.output.lower()


def test_serve_names_the_setting_that_is_wrong(carousel):
    result = carousel("serve", "--port", 99999)
    assert result.exit_code == 1
    assert "CAROUSEL_PORT: got 99999" in result.output
    assert "65535" in result.output
