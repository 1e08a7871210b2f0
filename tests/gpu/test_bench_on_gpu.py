"""`carousel bench` on a real GPU: whoever takes part is measured, and answers as the CPU does."""

from __future__ import annotations

import pytest
from on_gpu import gpu
from typer.testing import CliRunner

from cli.main import app
from load_tests.engines.outcome import read_outcome

pytestmark = pytest.mark.gpu


def test_every_engine_of_this_gpu_is_measured_and_none_is_wrong(tmp_path, monkeypatch):
    gpu()
    monkeypatch.chdir(tmp_path)
    sizes = ("--hidden", "128", "--lengths", "16", "--most-rows", "128", "--precision", "fp32,fp16")
    result = CliRunner().invoke(app, ["bench", *sizes, "--seconds", "1", "--output", "report"])
    assert result.exit_code == 0, result.output
    outcome = read_outcome(tmp_path / "report" / "comparison.json")
    (model,) = outcome.models
    measured = {one.ran.engine for one in model.measurements}
    told = {one.name for one in outcome.absent} | {one.name.split()[0] for one in model.refused}
    assert {"onnxruntime-cuda", "torch.nn.LSTM"} <= measured | told, result.output
    assert any(one.device_s for one in model.measurements), result.output
