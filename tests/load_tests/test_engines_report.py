"""What becomes of figures: standings, tables, pictures, and the file they are kept in."""

from __future__ import annotations

import shutil

import pytest
from rich.console import Console

from load_tests.engines.facts import commit, machine_facts
from load_tests.engines.outcome import (
    Measurement,
    ModelOutcome,
    NotHere,
    Outcome,
    Ran,
    TrainingOutcome,
    Unmeasured,
    Verdict,
    read_outcome,
    write_outcome,
)
from load_tests.engines.plots import draw, fullest
from load_tests.engines.standing import standings_of
from load_tests.engines.tables import model_tables, remarks, styled, training_table
from service.plans.driver import Gpu, NoGpu

ONE = Ran(engine="onnxruntime", precision="fp32", setting="1 thread", device="cpu")
TWO = ONE.model_copy(update={"setting": "2 threads"})
GPU = Ran(engine="tensorrt", precision="fp16", setting="CUDA graph", device="gpu")
PLAIN = GPU.model_copy(update={"setting": "no CUDA graph"})


def took(ran, rows, ms, device_ms=None, steps=16):
    """Three samples with the median `ms`."""
    return Measurement(
        ran=ran,
        rows=rows,
        steps=steps,
        runs=1,
        host_s=(ms / 1e3, ms / 2e3, ms / 5e2),
        device_s=(device_ms / 1e3,) * 3 if device_ms else None,
        largest_difference=0.0,
    )


def model(*measurements, unmeasured=()):
    return ModelOutcome(
        model="gait",
        version="1",
        description="",
        tolerances={"fp32": 1e-5},
        measurements=measurements,
        unmeasured=unmeasured,
        refused=(NotHere(name="tensorrt bf16", reason="no such kernel"),),
    )


BOTH = model(
    took(ONE, 1, 1.0),
    took(TWO, 1, 2.0),
    took(ONE, 64, 40.0),
    took(TWO, 64, 32.0),
    took(ONE, 128, 160.0),
    took(GPU, 1, 1.0, 0.5),
    took(GPU, 128, 0.8, 0.4),
    took(PLAIN, 128, 4.0, 0.3),
    took(ONE, 1, 0.5, steps=1),
    unmeasured=(
        Unmeasured(ran=TWO, rows=128, steps=16, verdict=Verdict.SKIPPED, reason="too long"),
        Unmeasured(ran=PLAIN, rows=1, steps=16, verdict=Verdict.WRONG, reason="off by 1"),
    ),
)
WHOLE = Outcome(
    started="2026-01-01T00:00:00+00:00",
    commit="0123456789abcdef+",
    machine={"processor": "a processor", "cores": "2", "gpu": "a [fast] GPU"},
    settings={},
    models=(BOTH,),
    trainings=(
        TrainingOutcome(recipe="gait", device="cpu", threads=2, steps=1000, step_s=(0.1, 0.2, 0.1)),
        TrainingOutcome(recipe="gait", device="cuda", threads=2, steps=1000, step_s=(0.02, 0.02, 0.3)),
    ),
    absent=(NotHere(name="torch.nn.LSTM", reason="not installed"),),
)


def text_of(*parts):
    console = Console(width=160)
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    return captured.get()


def at(standings, steps):
    return next(one for one in standings if one.steps == steps)


def test_each_engine_counts_with_its_fastest_setting_on_every_batch():
    cpu, gpu = at(standings_of(BOTH), 16).curves
    assert [(one.rows, one.ran.setting) for one in cpu.points] == [
        (1, "1 thread"),
        (64, "2 threads"),
        (128, "1 thread"),
    ]
    assert [one.ran.setting for one in gpu.points] == ["CUDA graph", "CUDA graph"]
    assert (cpu.best.rows, gpu.best.rows, cpu.label, gpu.label) == (
        64,
        128,
        "onnxruntime fp32",
        "tensorrt fp16",
    )


def test_speed_up_is_best_against_best_and_the_lone_row_is_told_apart():
    standings = at(standings_of(BOTH), 16)
    gpu = standings.curves[1]
    assert standings.ratio(gpu.best.rate) == pytest.approx(160_000 / 2_000)
    assert standings.ratio(gpu.best_on_device.device_rate) == pytest.approx(320_000 / 2_000)
    assert standings.ratio_to_alone(gpu.best.rate) == pytest.approx(160_000 / 1_000)


def test_where_there_is_one_engine_its_settings_are_compared():
    only = model(took(ONE, 1, 1.0), took(TWO, 1, 2.0))
    curves = standings_of(only)[0].curves
    assert [one.label for one in curves] == ["onnxruntime fp32, 1 thread", "onnxruntime fp32, 2 threads"]
    assert standings_of(only)[0].ratio(curves[1].best.rate) == pytest.approx(0.5)


def test_without_a_cpu_figure_there_is_no_ratio():
    standings = standings_of(model(took(GPU, 1, 1.0, 0.5)))[0]
    assert standings.ratio(1.0) is None
    assert standings.ratio_to_alone(1.0) is None


def test_the_table_has_the_fastest_first_and_host_and_device_apart():
    titles, tables = zip(*model_tables(BOTH), strict=True)
    assert titles == ("gait/1, 1 step", "gait/1, 16 steps")
    _, _, first, second = (" ".join(line.split()) for line in text_of(tables[1]).splitlines())
    assert first == "tensorrt fp16 128 160,000 38 80 160 50.00 0.800 1.000 0.400 160"
    assert second == "onnxruntime fp32 64 2,000 38 1.00 2.00 2,000.00 32.000 1.000"
    assert "device" not in text_of(tables[0])


def test_what_has_no_figure_is_told_with_the_reason_and_what_is_wrong_in_red():
    told = list(remarks(WHOLE))
    assert told == [
        "not here: torch.nn.LSTM: not installed",
        "gait/1: refused: tensorrt bf16: no such kernel",
        "gait/1: skipped: onnxruntime fp32, 2 threads: 128 rows and more of 16 steps: too long",
        "gait/1: wrong: tensorrt fp16, no CUDA graph: 1 rows of 16 steps: off by 1",
    ]
    assert [styled(one).startswith("[red]") for one in told] == [False, False, False, True]


def test_training_is_told_in_steps_per_second_beside_the_cpu():
    lines = [line.split() for line in text_of(training_table(WHOLE.trainings)).splitlines()]
    assert lines[1:] == [
        ["gait", "cpu", "2", "10.0", "1.00", "100"],
        ["gait", "cuda", "2", "50.0", "5.00", "20"],
    ]


def test_what_is_kept_comes_back_as_it_was(tmp_path):
    path = tmp_path / "new" / "comparison.json"
    write_outcome(path, WHOLE)
    assert read_outcome(path) == WHOLE


def test_a_file_that_is_no_comparison_is_refused(tmp_path):
    path = tmp_path / "comparison.json"
    path.write_text('{"schema_version": 2}')
    with pytest.raises(ValueError, match="schema_version"):
        read_outcome(path)


def test_pictures_show_the_length_with_most_figures_and_name_their_units(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    drawn = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (drawn.append(self), save(self, *a, **k)))
    (picture,) = draw(WHOLE, tmp_path)
    assert picture.read_bytes().startswith(b"\x89PNG")
    (figure,) = drawn
    assert "a [fast] GPU and a processor, 2 cores" in figure.get_suptitle()
    throughput, latency, speedup = figure.axes
    assert throughput.get_title() == "Throughput, 16 steps"
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "sequences per second",
        "ms, host to host",
        "times the CPU's best throughput",
    ]
    assert [len(axes.get_lines()) for axes in (throughput, latency, speedup)] == [3, 2, 4]
    assert max(speedup.get_lines()[2].get_ydata()) == pytest.approx(160)


def test_of_lengths_with_as_many_figures_the_longest_is_shown():
    assert fullest(standings_of(model(took(ONE, 1, 1.0), took(ONE, 1, 1.0, steps=64)))).steps == 64


def test_a_model_without_any_figure_has_no_picture(tmp_path):
    assert draw(WHOLE.model_copy(update={"models": (model(),)}), tmp_path) == []


def test_a_report_names_the_gpu_or_why_there_is_none():
    found = machine_facts(Gpu("a GPU", (8, 9), 1 << 34, (13, 0)))
    assert (found["gpu"], found["gpu memory"], found["driver's cuda"]) == (
        "a GPU (compute capability 8.9)",
        "16 GiB",
        "13.0",
    )
    assert machine_facts(NoGpu("no driver"))["no gpu"] == "no driver"
    assert found["onnxruntime"]


def test_outside_a_repository_the_commit_is_unknown(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert commit() == "unknown"
