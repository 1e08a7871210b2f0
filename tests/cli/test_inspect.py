"""`carousel inspect`, run as a user runs it."""

from __future__ import annotations

import re

import matplotlib.image
import numpy as np
import pytest
from bundles import SYMBOLS
from typer.testing import CliRunner

from cli.gate_picture import draw
from cli.main import app


@pytest.fixture
def inspect(models_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["inspect", *map(str, arguments)])


def test_a_text_becomes_a_picture_and_its_place_is_told(inspect, tmp_path):
    result = inspect("letters", "--text", "".join(SYMBOLS))
    assert result.exit_code == 0, result.output
    assert re.search(
        r"wrote letters-gates\.png: 8 steps of letters/1; computed anew to within \S+ of", result.output
    )
    height, width, _ = matplotlib.image.imread(tmp_path / "letters-gates.png").shape
    assert min(height, width) > 500


def test_a_file_and_some_units_become_a_picture_elsewhere(inspect, tmp_path):
    (tmp_path / "walk.csv").write_text("up,ahead\n0.1,0.2\n0.3,0.4\n")
    result = inspect("gait", "walk.csv", "--units", "0-2, 5", "--output", "gait.png")
    assert result.exit_code == 0, result.output
    assert "wrote gait.png: 2 steps of gait/1" in result.output
    assert (tmp_path / "gait.png").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give either a file or --text"),
        (("walk.csv", "--text", "a"), "give either a file or --text"),
        (("walk.json",), "walk.json: has no field sequence: an inspection is of one sequence"),
        (("--text", "ab", "--units", "1-"), "--units: '1-' is neither a number nor a range such as 0-15"),
        (("--text", "ab", "--units", "99"), "units: 99 is outside 0 to 5"),
        (("--text", "aZ"), "sequence: character 1, 'Z', is not one of the model's symbols"),
        (("--text", "a", "--url", "localhost"), "localhost: expected http://"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(inspect, tmp_path, arguments, words):
    (tmp_path / "walk.json").write_text('{"sequences": [[1]]}')
    result = inspect("letters", *arguments)
    assert result.exit_code == 1
    assert words in result.output
    assert not list(tmp_path.glob("*.png"))


def test_labels_directions_and_other_cells_than_an_lstm_s_are_drawn(tmp_path):
    spread = np.linspace(0, 1, 12).reshape(4, 3).tolist()
    gru = {"gates": {"update": spread, "reset": spread, "candidate": spread}, "hidden": spread}
    answer = {
        "model": "mine",
        "version": "1",
        "steps": 4,
        "prediction": {"labels": ["helix", "coil", "coil", "helix"], "probabilities": [0.5] * 4},
        "layers": [
            {
                "name": "gru",
                "directions": [{"direction": "forward", **gru}, {"direction": "reverse", **gru}],
            },
            {"name": "rnn", "directions": [{"direction": "forward", "gates": {}, "hidden": spread}]},
        ],
    }
    draw(answer, "A$\n ", tmp_path / "gates.png")
    height, width, _ = matplotlib.image.imread(tmp_path / "gates.png").shape
    assert width > height > 300
