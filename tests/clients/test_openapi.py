"""The server is as its OpenAPI schema says: schemathesis makes requests that fit it and some that do not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

KEPT = Path(__file__).parents[2] / ".hypothesis"
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


def test_no_route_answers_otherwise_than_its_schema_says(server, tmp_path):
    schemathesis = Path(sys.executable).with_name("schemathesis")
    options = ["--phases", "examples,fuzzing,stateful", "--max-examples", "3", "--seed", "1"]
    options += ["--generation-database", "none"]
    run = subprocess.run(
        [schemathesis, "--config-file", CONFIGURATION, "run", *options, f"http://{server.http}/openapi.json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        # Where hypothesis keeps which characters there are: it takes seconds to find out.
        env=os.environ | {"HYPOTHESIS_STORAGE_DIRECTORY": str(KEPT)},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Selected: 0" not in run.stdout
