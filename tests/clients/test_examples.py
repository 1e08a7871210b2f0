"""Every example runs as its first line says, and finds who or what is heard in the utterance beside it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
README = (EXAMPLES.parent / "README.md").read_text()
# Which server each asks, and what it says of speaker 3, whose class counts from 0, or of the digit 4.
RUNS = {
    "curl.sh": (("http",), '"label":"speaker 3"'),
    "httpx_client.py": (("http",), "9 steps: speaker 3 (0.926)"),
    "tritonclient_http.py": (("http",), "9 steps: class 2 (0.926)"),
    "tritonclient_grpc.py": (("grpc",), "9 steps: class 2 (0.926)"),
    "kserve_sdk.py": (("http", "grpc"), "gRPC: class 2 (0.926)"),
    "stream.py": (("http",), "back after step 6\n  7 steps: digit 4 (0.693)"),
}
# Run by a browser, see test_browser.py.
PAGES = {"stream.html"}


def test_every_example_is_run_and_the_readme_points_at_it():
    assert {path.name for path in EXAMPLES.iterdir() if path.suffix != ".csv"} == {*RUNS, *PAGES}
    assert all(f" examples/{name} localhost:" in README for name in RUNS)
    assert all(f"examples/{name}" in README for name in PAGES)


@pytest.mark.parametrize("example", RUNS)
def test_it_runs_and_tells_the_speaker(server, example):
    doors, told = RUNS[example]
    interpreter = "sh" if example.endswith(".sh") else sys.executable
    if example == "curl.sh" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    command = [interpreter, EXAMPLES / example, *(getattr(server, door) for door in doors)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    assert told in run.stdout
