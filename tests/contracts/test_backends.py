"""Every backend with every kind of network: batched == alone, chunked == whole, padding is nothing."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import examples
from hypothesis import given
from hypothesis import strategies as st
from random_networks import CAUSAL, RandomNetwork

from service.domain.batches import Batch
from service.domain.signature import Signature
from service.domain.tensors import Array
from service.errors import EngineFailed, InvalidBundle

lengths = st.lists(st.one_of(st.integers(1, 4), st.integers(1, 24)), min_size=1, max_size=6)
seeds = st.integers(0, 1 << 30)


def fresh(signature: Signature, rows: int) -> tuple[Array, ...]:
    return tuple(np.zeros((rows, *state.shape), np.float32) for state in signature.states)


def run_rows(loaded, sequences: list[Array], states: tuple[Array, ...], garbage: int, spare_steps: int = 0):
    """Each row's output and states; past its length a row holds garbage of the given seed."""
    network: RandomNetwork = loaded.network
    steps = np.array([len(sequence) for sequence in sequences], np.int32)
    random = np.random.default_rng(garbage)
    rows = [
        np.concatenate(
            [sequence, network.sequence(int(steps.max()) + spare_steps - len(sequence), random, 50.0)]
        )
        for sequence in sequences
    ]
    result = loaded.backend.run(Batch(np.stack(rows, axis=1), steps, states))
    every_step = network.signature.has_step_outputs
    return [
        (result.output[:length, row] if every_step else result.output[row], [s[row] for s in result.states])
        for row, length in enumerate(steps.tolist())
    ]


def assert_close(found, due) -> None:
    (output, states), (due_output, due_states) = found, due
    assert output.shape == due_output.shape
    for mine, theirs in zip((output, *states), (due_output, *due_states), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=2e-5 * max(1.0, np.abs(theirs).max()))


def drawn(loaded, steps: list[int], seed: int) -> list[Array]:
    random = np.random.default_rng(seed)
    return [loaded.network.sequence(count, random) for count in steps]


@given(lengths, seeds, seeds)
@examples(12)
def test_a_row_of_a_padded_batch_is_what_pytorch_computes_for_it_alone(loaded, steps, seed, garbage):
    sequences = drawn(loaded, steps, seed)
    together = run_rows(loaded, sequences, fresh(loaded.network.signature, len(steps)), garbage)
    for sequence, found in zip(sequences, together, strict=True):
        assert_close(found, loaded.network.reference(sequence))


@given(lengths, seeds)
@examples(10)
def test_what_pads_a_row_and_how_far_changes_nothing(loaded, steps, seed):
    sequences = drawn(loaded, steps, seed)
    states = fresh(loaded.network.signature, len(steps))
    some = run_rows(loaded, sequences, states, garbage=1)
    others = run_rows(loaded, sequences, states, garbage=2)
    longer = run_rows(loaded, sequences, states, garbage=3, spare_steps=9)
    for (output, last), (other_output, other_last), further in zip(some, others, longer, strict=True):
        np.testing.assert_array_equal(output, other_output)
        for state, other in zip(last, other_last, strict=True):
            np.testing.assert_array_equal(state, other)
        assert_close(further, (output, last))


@pytest.mark.parametrize("network", CAUSAL, indirect=True)
@given(st.integers(2, 24), st.lists(st.integers(1, 23), max_size=5), seeds)
@examples(10)
def test_a_sequence_in_chunks_is_the_sequence_whole(loaded, steps, cuts, seed):
    (sequence,) = drawn(loaded, [steps], seed)
    states, outputs = fresh(loaded.network.signature, 1), []
    for chunk in np.split(sequence, sorted({cut for cut in cuts if cut < steps})):
        ((output, last),) = run_rows(loaded, [chunk], states, garbage=1)
        outputs.append(output)
        states = tuple(state[np.newaxis] for state in last)
    whole = np.concatenate(outputs) if loaded.network.signature.has_step_outputs else outputs[-1]
    assert_close((whole, [state[0] for state in states]), loaded.network.reference(sequence))


@pytest.mark.parametrize("network", CAUSAL, indirect=True)
def test_each_row_goes_on_from_its_own_state(loaded):
    sequences = drawn(loaded, [9, 5, 12], seed=3)
    heads = run_rows(loaded, [s[:4] for s in sequences], fresh(loaded.network.signature, 3), garbage=1)
    carried = tuple(np.stack(rows) for rows in zip(*(states for _, states in heads), strict=True))
    tails = run_rows(loaded, [s[4:] for s in sequences], carried, garbage=2)
    for sequence, (output, states) in zip(sequences, tails, strict=True):
        due_output, due_states = loaded.network.reference(sequence)
        due_tail = due_output[4:] if loaded.network.signature.has_step_outputs else due_output
        assert_close((output, states), (due_tail, due_states))


def test_a_backend_names_its_device_and_its_time(loaded):
    (sequence,) = drawn(loaded, [5], seed=1)
    batch = Batch(sequence[:, np.newaxis], np.array([5], np.int32), fresh(loaded.network.signature, 1))
    result = loaded.backend.run(batch)
    assert result.device == loaded.backend.capability.device
    assert result.compute_s > 0


def test_a_batch_of_the_wrong_shape_fails_and_the_next_one_runs(loaded):
    (sequence,) = drawn(loaded, [5], seed=1)
    states = fresh(loaded.network.signature, 1)
    odd = np.zeros((5, 1, 1, 1, 1), sequence.dtype)
    with pytest.raises(EngineFailed):
        loaded.backend.run(Batch(odd, np.array([5], np.int32), states))
    ((output, last),) = run_rows(loaded, [sequence], states, garbage=1)
    assert_close((output, last), loaded.network.reference(sequence))


def test_a_backend_that_is_not_loaded_or_closed_says_so(loaded, network):
    backend = type(loaded.backend)()
    batch = Batch(np.zeros((1, 1)), np.ones(1, np.int32))
    with pytest.raises(EngineFailed, match="before load"):
        backend.run(batch)
    backend.load(network.artifact)
    backend.close()
    with pytest.raises(EngineFailed, match="before load"):
        backend.run(batch)


@pytest.mark.parametrize("content", [b"", b"not a graph", None])
def test_a_file_that_is_no_graph_is_refused_by_its_name(loaded, network, content, tmp_path):
    path = tmp_path / "model.onnx"
    whole = network.artifact.onnx_path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    artifact = type(network.artifact)(path, network.signature)
    with pytest.raises(InvalidBundle, match=r"model\.onnx: ONNX Runtime cannot load it"):
        type(loaded.backend)().load(artifact)
