"""A batch in several calls gives what it gives in one."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from fakes import RunningSumBackend
from hypothesis import given
from hypothesis import strategies as st

from service.backends.cut_batch import run_cut
from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.domain.batches import Batch, Cuts
from service.domain.signature import Readout, Signature
from service.repository.scanner import read_bundle

MODELS = Path(__file__).parents[2] / "models"
CAUSAL = ["digits", "moby", "traffic"]

lengths_and_cuts = st.lists(st.integers(1, 30), min_size=2, max_size=9).flatmap(
    lambda lengths: st.tuples(
        st.just(lengths), st.sets(st.integers(1, max(2, *lengths) - 1), min_size=1, max_size=4)
    )
)


def batch_of(lengths: list[int], signature: Signature) -> Batch:
    random = np.random.default_rng(sum(lengths))
    shape = (max(lengths), len(lengths), *signature.step_shape)
    sequence = random.integers(0, 4, shape).astype(signature.step_datatype.dtype)
    states = tuple(
        random.integers(-2, 3, (len(lengths), *state.shape)).astype(np.float32) for state in signature.states
    )
    return Batch(sequence, np.array(lengths, np.int32), states)


def cut_at(after: set[int], lengths: list[int], signature: Signature) -> Cuts:
    """Only before the batch's last step."""
    return Cuts(
        tuple(sorted(each for each in after if each < max(lengths))) or (1,), signature.has_step_outputs
    )


def own_parts(output: np.ndarray, lengths: list[int], signature: Signature) -> list[np.ndarray]:
    if not signature.has_step_outputs:
        return list(output)
    return [output[:steps, row] for row, steps in enumerate(lengths)]


@pytest.mark.parametrize("readout", Readout)
@given(lengths_and_cuts)
def test_wherever_it_is_cut_every_row_ends_with_the_same_output_and_state(readout, drawn):
    lengths, after = drawn
    lengths[0] = max(2, lengths[0])
    backend = RunningSumBackend(readout)
    batch, cuts = batch_of(lengths, backend.signature), cut_at(after, lengths, backend.signature)
    given_states = batch.states[0].copy()
    whole = backend.run(batch)
    backend.batches.clear()
    result = run_cut(backend.run, batch, cuts)
    for expected, given_ in zip(
        own_parts(whole.output, lengths, backend.signature),
        own_parts(result.output, lengths, backend.signature),
        strict=True,
    ):
        assert np.array_equal(expected, given_)
    assert np.array_equal(whole.states[0], result.states[0])
    assert result.output.dtype == np.float32
    assert np.array_equal(batch.states[0], given_states), "it may have to be run again"
    bounds = [0, *cuts.after, max(lengths)]
    calls = list(pairwise(bounds))
    assert [len(ran) for ran in backend.batches] == [sum(n > first for n in lengths) for first, _ in calls]
    assert result.row_steps(batch) == sum(
        (end - first) * len(ran) for (first, end), ran in zip(calls, backend.batches, strict=True)
    )
    assert result.calls == len(calls)
    assert result.compute_s == pytest.approx(0.001 * len(calls))


@pytest.mark.parametrize("name", CAUSAL)
def test_so_it_is_on_the_engine(name):
    bundle = read_bundle(MODELS / name / "1")
    signature = bundle.manifest.signature
    backend = OnnxRuntimeBackend()
    backend.load(bundle.artifact)
    lengths = [3, 40, 17, 40, 1, 17, 25]
    batch = batch_of(lengths, signature)
    whole = backend.run(batch)
    result = run_cut(backend.run, batch, Cuts((1, 17, 25), signature.has_step_outputs))
    pairs = zip(
        own_parts(whole.output, lengths, signature), own_parts(result.output, lengths, signature), strict=True
    )
    for expected, given_ in pairs:
        np.testing.assert_allclose(given_, expected, rtol=0, atol=1e-6)
    for expected, given_ in zip(whole.states, result.states, strict=True):
        np.testing.assert_allclose(given_, expected, rtol=0, atol=1e-6)


class Thrifty(RunningSumBackend):
    """Returns the same memory each time, for reading only."""

    def run(self, batch):
        result = super().run(batch)
        if len(self.batches) == 1:
            self.memory = [result.output.copy(), result.states[0].copy()]
        output, states = self.memory
        for memory in self.memory:
            memory.flags.writeable = True
        output, states = (
            output.ravel()[: result.output.size].reshape(result.output.shape),
            states[: batch.rows],
        )
        output[:], states[:] = result.output, result.states[0]
        for array in (*self.memory, output, states):
            array.flags.writeable = False
        return replace(result, output=output, states=(states,))


@pytest.mark.parametrize("readout", Readout)
def test_a_backend_may_use_the_memory_of_its_results_again(readout):
    lengths = [3, 9, 4, 9]
    signature = RunningSumBackend(readout).signature
    batch = batch_of(lengths, signature)
    whole = RunningSumBackend(readout).run(batch)
    result = run_cut(Thrifty(readout).run, batch, Cuts((3, 6), signature.has_step_outputs))
    pairs = zip(
        own_parts(whole.output, lengths, signature), own_parts(result.output, lengths, signature), strict=True
    )
    assert all(np.array_equal(expected, given_) for expected, given_ in pairs)
    assert np.array_equal(whole.states[0], result.states[0])


def test_what_fails_behind_a_cut_fails_the_batch_and_leaves_its_states():
    backend = RunningSumBackend()
    batch = batch_of([5, 9], backend.signature)
    batch.sequence[:, 1, 0] = 7.0
    states = batch.states[0].copy()

    def run(part: Batch):
        if part.rows == 1:
            raise RuntimeError("out of luck")
        return backend.run(part)

    with pytest.raises(RuntimeError, match="out of luck"):
        run_cut(run, batch, Cuts((5,), has_step_outputs=False))
    assert np.array_equal(batch.states[0], states)
