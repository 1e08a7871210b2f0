"""`carousel import` takes nobody's place unasked, and says at once what a bundle cannot be called."""

from __future__ import annotations

import pytest
from onnx_import_graphs import OF_X, write
from typer.testing import CliRunner

from cli import extras
from cli.main import app


@pytest.fixture
def bring(tmp_path, monkeypatch):
    """Import a small LSTM in an empty folder."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "small.onnx", OF_X)

    def run(*options):
        return CliRunner().invoke(app, ["import", "small.onnx", *options])

    return run


def test_a_version_that_is_there_is_replaced_only_when_that_is_asked_for(bring, tmp_path):
    manifest = tmp_path / "models" / "small" / "1" / "manifest.json"
    assert bring().exit_code == 0
    manifest.write_text("mine")
    refused = bring()
    assert refused.exit_code == 1
    assert "small/1 is in models already: --version 2" in refused.output
    assert manifest.read_text() == "mine"
    assert bring("--version", "2").exit_code == 0
    assert "--version 3" in bring("--version", "2").output
    assert bring("--replace").exit_code == 0
    assert manifest.read_text() != "mine"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--name", "Bad Name"), "--name: 'Bad Name' names no bundle: expected letters, digits and ._-"),
        (("--name", "../mine"), "--name: '../mine' names no bundle"),
        (("--version", "x"), "--version: 'x' is no version: expected a whole number, 1 or more"),
        (("--version", "01"), "--version: '01' is no version"),
    ],
)
def test_what_a_bundle_cannot_be_called_is_told_in_a_sentence(bring, tmp_path, options, words):
    result = bring(*options)
    assert result.exit_code == 1
    assert words in result.output
    assert len(result.output.splitlines()) == 1
    assert not (tmp_path / "models").exists()


def test_without_onnx_the_error_names_the_smallest_extra(bring, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    result = bring()
    assert result.exit_code == 1
    assert "pip install -e '.[import]' in the clone" in result.output
