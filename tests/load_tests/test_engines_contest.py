"""The contest of engines, on a clock that only the engines turn."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

import pytest

from load_tests.engines.bounds import Bounds
from load_tests.engines.comparing import compare_on
from load_tests.engines.contender import Contender, Grid
from load_tests.engines.outcome import Verdict
from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.errors import EngineOutOfMemory, InvalidBundle
from service.plans.plan import Precision
from service.repository.scanner import read_bundle

FREE = Bounds(seconds=100.0, repeats=5)


@dataclass
class Hands:
    """A clock."""

    now_s: float = 0.0

    def now(self):
        return self.now_s


@dataclass
class Engine:
    """Answers rightly, or off by `off`, in `call_s + row_step_s` per row and step of the clock's time."""

    name: str
    hands: Hands
    calls: list[str] = field(default_factory=list)
    call_s: float = 0.01
    row_step_s: float = 0.0
    slow_calls: deque[float] = field(default_factory=deque)
    off: float = 0.0
    fails_from_rows: int = 1 << 30
    precision: Precision = Precision.FP32
    is_closed: bool = True
    device_share: float | None = None

    @property
    def contender(self):
        times_device = self.device_share is not None
        device = "gpu" if times_device else "cpu"
        return Contender(self.name, self.precision, "as it is", device, self.load, times_device)

    def load(self, bundle, grid):
        self.truth = OnnxRuntimeBackend()
        self.truth.load(bundle.artifact)
        self.is_closed = False
        return self

    def run(self, batch):
        if batch.rows >= self.fails_from_rows:
            raise EngineOutOfMemory("no room")
        self.calls.append(f"{self.name}{batch.rows}")
        taken_s = self.call_s + self.row_step_s * batch.rows * batch.padded_steps
        taken_s += self.slow_calls.popleft() if self.slow_calls else 0.0
        self.hands.now_s += taken_s
        result = self.truth.run(batch)
        return replace(
            result, output=result.output + self.off, compute_s=taken_s * (self.device_share or 1.0)
        )

    def close(self):
        self.is_closed = True


@pytest.fixture
def gait(published):
    return read_bundle(published / "gait" / "1")


@pytest.fixture
def hands():
    return Hands()


def compare(bundle, hands, engines, rows=(1, 2, 4), lengths=(3,), bounds=FREE):
    contenders = [engine.contender for engine in engines]
    return compare_on(bundle, contenders, Grid(rows, lengths), bounds, hands.now, lambda *_: None)


def test_engines_take_turns_and_the_first_two_runs_of_each_do_not_count(gait, hands):
    calls = []
    engines = [Engine(name, hands, calls) for name in "ab"]
    engines[0].slow_calls.extend([9.0, 0.5])
    outcome = compare(gait, hands, engines, rows=(2,))
    assert calls == ["a2", "a2", "b2", "b2"] + ["a2", "b2"] * 5
    assert [one.median_s for one in outcome.measurements] == pytest.approx([0.01, 0.01])


def test_short_runs_are_measured_several_at_a_time(gait, hands):
    engine = Engine("a", hands, call_s=0.0005)
    (measured,) = compare(gait, hands, [engine], rows=(1,)).measurements
    assert measured.runs == 4
    assert measured.host_s == pytest.approx([0.0005] * 5)
    assert len(engine.calls) == 2 + 5 * 4


def test_the_devices_own_time_is_kept_apart_and_only_where_the_engine_can_tell(gait, hands):
    engines = [Engine("gpu", hands, device_share=0.25), Engine("cpu", hands)]
    on_gpu, on_cpu = compare(gait, hands, engines, rows=(4,)).measurements
    assert (on_gpu.rate, on_gpu.device_rate) == pytest.approx((400, 1600))
    assert on_cpu.device_s is None


def test_what_would_take_too_long_is_not_tried_and_neither_is_anything_larger(gait, hands):
    engine = Engine("a", hands, call_s=0.0, row_step_s=0.1)
    outcome = compare(gait, hands, [engine], rows=(1, 2, 4, 8), bounds=Bounds(seconds=4.5, repeats=5))
    assert [one.rows for one in outcome.measurements] == [1, 2]
    assert [len(one.host_s) for one in outcome.measurements] == [5, 5]
    (skipped,) = outcome.unmeasured
    assert (skipped.rows, skipped.verdict) == (4, Verdict.SKIPPED)
    assert (
        skipped.reason == "a run would take about 1.2 s; 4.5 s are allowed for the 5 that it takes at least"
    )
    assert "a4" not in engine.calls


def test_a_longer_sequence_is_foretold_from_a_shorter_one(gait, hands):
    engine = Engine("a", hands, call_s=0.0, row_step_s=0.1)
    bounds = Bounds(seconds=4.5, repeats=5)
    outcome = compare(gait, hands, [engine], rows=(1,), lengths=(3, 30), bounds=bounds)
    assert [one.steps for one in outcome.measurements] == [3]
    assert outcome.unmeasured[0].reason.startswith("a run would take about 3 s")


def test_fewer_repeats_are_taken_where_time_is_short(gait, hands):
    bounds = Bounds(seconds=6.0, repeats=9)
    (measured,) = compare(
        gait, hands, [Engine("a", hands, call_s=1.0)], rows=(1,), bounds=bounds
    ).measurements
    assert len(measured.host_s) == 4


def test_what_would_take_more_memory_than_there_is_is_not_tried(gait, hands):
    outcome = compare(gait, hands, [Engine("a", hands)], bounds=Bounds(memory_bytes=1))
    assert not outcome.measurements
    assert outcome.unmeasured[0].reason.endswith("0 MiB may be used")


def test_an_engine_that_answers_wrongly_is_reported_as_wrong_and_not_as_fast(gait, hands):
    engines = [Engine("wrong", hands, call_s=1e-3, off=0.5), Engine("right", hands)]
    outcome = compare(gait, hands, engines, rows=(1, 2))
    assert {one.ran.engine for one in outcome.measurements} == {"right"}
    assert [(one.rows, one.verdict) for one in outcome.unmeasured] == [(1, Verdict.WRONG), (2, Verdict.WRONG)]
    assert outcome.unmeasured[0].reason.startswith("off by 0.5 from the float32 CPU; ")


def test_not_a_number_is_wrong(gait, hands):
    outcome = compare(gait, hands, [Engine("a", hands, off=float("nan"))], rows=(1,))
    assert outcome.unmeasured[0].verdict is Verdict.WRONG


@pytest.mark.parametrize(("precision", "is_right"), [(Precision.FP32, False), (Precision.FP16, True)])
def test_half_precision_may_be_further_off(gait, hands, precision, is_right):
    outcome = compare(gait, hands, [Engine("a", hands, off=1e-3, precision=precision)], rows=(1,))
    assert bool(outcome.measurements) is is_right


def test_every_row_of_a_large_batch_is_checked(gait, hands):
    class OddLastRow(Engine):
        def run(self, batch):
            result = super().run(batch)
            result.output[-1] += 0.1 * (batch.rows > 32)
            return result

    outcome = compare(gait, hands, [OddLastRow("a", hands)], rows=(1, 33))
    assert [one.rows for one in outcome.measurements] == [1]
    assert outcome.unmeasured[0].verdict is Verdict.WRONG


def test_an_engine_that_fails_leaves_the_others_their_figures(gait, hands):
    engines = [Engine("a", hands, fails_from_rows=2), Engine("b", hands)]
    outcome = compare(gait, hands, engines)
    assert [(one.ran.engine, one.rows) for one in outcome.measurements] == [
        ("a", 1),
        ("b", 1),
        ("b", 2),
        ("b", 4),
    ]
    (failed,) = outcome.unmeasured
    assert (failed.verdict, failed.rows, failed.reason) == (Verdict.FAILED, 2, "no room")
    assert all(engine.is_closed for engine in engines)


def test_a_contender_that_cannot_have_the_bundle_is_told_once(gait, hands):
    def refuse(bundle, grid):
        raise InvalidBundle("no such kernel")

    refusing = Contender("a", Precision.FP16, "as it is", "gpu", refuse)
    outcome = compare_on(gait, [refusing], Grid((1,), (3, 4)), FREE, hands.now, lambda *_: None)
    assert [(one.name, one.reason) for one in outcome.refused] == [("a fp16, as it is", "no such kernel")]


def test_models_that_answer_every_step_are_compared_too(published, hands):
    letters = read_bundle(published / "letters" / "1")
    outcome = compare(letters, hands, [Engine("a", hands)], rows=(20,), lengths=(60,))
    assert outcome.measurements[0].largest_difference < 1e-5
