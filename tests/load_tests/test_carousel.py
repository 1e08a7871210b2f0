"""The carousel's report in its smallest form."""

from __future__ import annotations

import orjson
from typer.testing import CliRunner

from load_tests.__main__ import app


def test_the_command_steps_streams_and_sends_short_sequences_beside_long_ones(tmp_path):
    path = tmp_path / "carousel.json"
    ran = CliRunner().invoke(app, ["carousel", "--sessions", "1,9", "--seconds", "0.1", "--json", str(path)])
    assert ran.exit_code == 0, ran.output
    results = orjson.loads(path.read_bytes())["results"]
    assert [each["sessions"] for each in results["stepping"]] == [1, 9]
    assert results["stepping"][1]["rows_per_tick"] > 1 == results["stepping"][0]["rows_per_tick"]
    assert [each["way"] for each in results["head_of_line"]] == ["whole", "carousel"]
