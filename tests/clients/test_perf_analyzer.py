"""perf_analyzer, NVIDIA's load generator, where it is installed; docs/03-protocol.md says where to get it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess

import numpy as np
import pytest

PERF_ANALYZER = shutil.which(os.environ.get("PERF_ANALYZER", "perf_analyzer"))
SEQUENCE = np.linspace(-1, 1, 9 * 12).round(3).tolist()


@pytest.mark.skipif(PERF_ANALYZER is None, reason="perf_analyzer is neither on the PATH nor in PERF_ANALYZER")
@pytest.mark.parametrize(
    ("door", "options"),
    [
        ("http", ["--request-rate-range", "50"]),
        ("http", ["--async", "-b", "3"]),
        ("grpc", ["--async", "--streaming"]),
    ],
    ids=["http", "http in threes", "a stream"],
)
def test_it_measures_without_an_error(server, tmp_path, door, options):
    data = tmp_path / "data.json"
    data.write_text(json.dumps({"data": [{"sequence": {"content": SEQUENCE, "shape": [9, 12]}}]}))
    command = [PERF_ANALYZER, "-m", "vowels", "-i", door, "-u", getattr(server, door), "--input-data", data]
    window = ["--shape", "sequence:9,12", "-s", "90", "--measurement-mode", "count_windows"]
    run = subprocess.run(
        [*command, *window, "--measurement-request-count", "20", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    (served,) = re.findall(r"Successful request count: (\d+)", run.stdout)
    assert int(served) >= 20
    assert "Failed" not in run.stdout
