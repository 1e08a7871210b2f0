"""The causal networks: what PyTorch computes, alone and in float64, is what the written graph computes."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort
import pytest
import torch
from recurrent_graphs import session_of

from model_export.graph_writer import GraphWriter
from model_export.networks.conv_lstm import ConvLstm
from model_export.networks.network import SequenceNetwork
from model_export.networks.stacked import StackedLstm
from model_export.networks.vanilla import VanillaLstm
from service.domain.signature import LENGTHS, OUTPUT, SEQUENCE
from service.domain.tensors import Array, Datatype, Shape

_SYMBOLS = 11
_GARBAGE = 1e3
_NETWORKS = {
    "vanilla": lambda: VanillaLstm(horizon=3, hidden=5),
    "two layers": lambda: StackedLstm(symbols=_SYMBOLS, embedding=4, hidden=6, layers=2),
    "three layers": lambda: StackedLstm(symbols=_SYMBOLS, embedding=3, hidden=5, layers=3),
    "conv_lstm": lambda: ConvLstm(fields=2, channels=3, places=2, grid=(4, 6)),
    "narrow conv_lstm": lambda: ConvLstm(fields=1, channels=1, places=1, grid=(1, 2)),
}
_STEP_SHAPES: dict[str, Shape] = {
    "vanilla": (5,),
    "two layers": (),
    "three layers": (),
    "conv_lstm": (3, 4, 6),
    "narrow conv_lstm": (2, 1, 2),
}


@dataclass
class Pair:
    """A network with random weights, the same in float64, and its graph in ONNX Runtime."""

    network: SequenceNetwork
    exact: SequenceNetwork
    session: ort.InferenceSession
    step_shape: Shape
    rng: np.random.Generator

    def sequence(self, steps: int, rows: int) -> Array:
        if not self.step_shape:
            return self.rng.integers(_SYMBOLS, size=(steps, rows)).astype(np.int32)
        return self.rng.normal(size=(steps, rows, *self.step_shape)).astype(np.float32)

    def states(self, rows: int) -> list[Array]:
        shapes = self.network.state_shapes.values()
        return [self.rng.normal(size=(rows, *shape)).astype(np.float32) for shape in shapes]

    def graph(self, sequence: Array, lengths: list[int], states: list[Array]) -> list[Array]:
        """The graph's output and new states."""
        names = list(self.network.state_shapes)
        feeds = {SEQUENCE: sequence, LENGTHS: np.array(lengths, np.int32)}
        feeds.update({f"{name}_in": state for name, state in zip(names, states, strict=True)})
        return self.session.run([OUTPUT, *(f"{name}_out" for name in names)], feeds)

    def alone(self, sequence: Array, states: list[Array]) -> list[Array]:
        """One row's output and new states, in float64, nothing padded."""
        return _run(self.exact, sequence, [len(sequence)], states)

    @property
    def is_every_step(self) -> bool:
        return isinstance(self.network, StackedLstm)


def _run(network: SequenceNetwork, sequence: Array, lengths: list[int], states: list[Array]) -> list[Array]:
    precision = next(network.parameters()).dtype
    steps = torch.from_numpy(sequence)
    with torch.no_grad():
        output, last = network(
            steps.to(precision) if steps.is_floating_point() else steps,
            torch.tensor(lengths),
            tuple(torch.from_numpy(state).to(precision) for state in states),
        )
    return [output.numpy(), *(state.numpy() for state in last)]


@pytest.fixture(params=list(_NETWORKS))
def pair(request: pytest.FixtureRequest) -> Pair:
    torch.manual_seed(3)
    network = _NETWORKS[request.param]()
    for weight in network.parameters():
        weight.data = torch.rand_like(weight) - 0.5
    for measure in network.buffers():
        # Scales are among them: none comes near zero.
        measure.data = 0.5 + torch.rand_like(measure)
    network.eval()
    shape = _STEP_SHAPES[request.param]
    graph = GraphWriter("test", Datatype.FP32 if shape else Datatype.INT32, shape)
    network.write(graph)
    session = session_of(graph.model().SerializeToString())
    return Pair(network, copy.deepcopy(network).double(), session, shape, np.random.default_rng(5))


def _padded(pair: Pair, steps: int, lengths: list[int]) -> Array:
    """Random sequences with garbage past each row's length."""
    sequence = pair.sequence(steps, len(lengths))
    for row, length in enumerate(lengths):
        sequence[length:, row] = _GARBAGE
    return sequence


def _assert_rows_are_as_if_alone(
    pair: Pair, found: list[Array], sequence: Array, lengths: list[int], states: list[Array]
) -> None:
    for row, length in enumerate(lengths):
        output, *last = pair.alone(sequence[:length, row : row + 1], [s[row : row + 1] for s in states])
        of_row = found[0][:length, row] if pair.is_every_step else found[0][row]
        np.testing.assert_allclose(of_row, output[:, 0] if pair.is_every_step else output[0], atol=3e-6)
        for state, expected in zip(found[1:], last, strict=True):
            np.testing.assert_allclose(state[row], expected[0], atol=3e-6)


@pytest.mark.parametrize(
    "lengths", [[1], [7], [4, 9, 1], [3, 3, 2, 1, 6], [5, 2]], ids=lambda lengths: "-".join(map(str, lengths))
)
@pytest.mark.parametrize("spare_steps", [0, 2])
def test_a_row_of_a_padded_batch_gives_what_it_gives_alone(
    pair: Pair, lengths: list[int], spare_steps: int
) -> None:
    sequence, states = _padded(pair, max(lengths) + spare_steps, lengths), pair.states(len(lengths))
    of_graph = pair.graph(sequence, lengths, states)
    of_torch = _run(pair.network, sequence, lengths, states)
    _assert_rows_are_as_if_alone(pair, of_graph, sequence, lengths, states)
    _assert_rows_are_as_if_alone(pair, of_torch, sequence, lengths, states)


def test_a_sequence_in_chunks_gives_what_it_gives_whole(pair: Pair) -> None:
    sequence, whole_states = pair.sequence(9, 1), pair.states(1)
    whole = pair.graph(sequence, [9], whole_states)
    outputs, states = [], whole_states
    for start, end in ((0, 4), (4, 5), (5, 9)):
        output, *states = pair.graph(sequence[start:end], [end - start], states)
        outputs.append(output)
    in_chunks = np.concatenate(outputs) if pair.is_every_step else outputs[-1]
    np.testing.assert_allclose(in_chunks, whole[0], atol=3e-6)
    for state, expected in zip(states, whole[1:], strict=True):
        np.testing.assert_allclose(state, expected, atol=3e-6)


def test_zeros_in_every_state_are_a_fresh_sequence(pair: Pair) -> None:
    sequence = pair.sequence(4, 2)
    zeros = [np.zeros_like(state) for state in pair.states(2)]
    fresh = _run(pair.network, sequence, [4, 4], [])
    for found, expected in zip(pair.graph(sequence, [4, 4], zeros), fresh, strict=True):
        np.testing.assert_allclose(found, expected, atol=3e-6)


def test_what_a_network_remembers_reaches_its_output(pair: Pair) -> None:
    sequence = pair.sequence(2, 1)
    one, other = (pair.graph(sequence, [2], pair.states(1))[0] for _ in range(2))
    assert np.abs(one - other).max() > 1e-4


def test_next_symbols_are_probabilities() -> None:
    network = StackedLstm(symbols=5, embedding=3, hidden=4, layers=2)
    output, _ = network(torch.tensor([[0, 4], [2, 1]]), torch.tensor([2, 2]))
    assert output.shape == (2, 2, 5)
    torch.testing.assert_close(output.sum(dim=-1), torch.ones(2, 2))


def test_an_untrained_vanilla_network_forecasts_the_usual() -> None:
    step = torch.tensor([900.0, 1000.0, 1100.0, 1200.0, 1300.0])
    output, _ = VanillaLstm(horizon=3, hidden=4)(step.view(1, 1, 5), torch.tensor([1]))
    assert output.tolist() == [[1100.0, 1200.0, 1300.0]]


def test_a_conv_lstm_sees_across_the_date_line() -> None:
    network = ConvLstm(fields=1, channels=2, places=1, grid=(1, 8))
    torch.nn.init.ones_(network.head.weight)
    sequence = torch.zeros(1, 1, 2, 1, 8)
    quiet, _ = network(sequence, torch.tensor([1]))
    sequence[0, 0, 0, 0, 7] = 5.0
    windy, _ = network(sequence, torch.tensor([1]))
    has_changed = ((windy - quiet).abs() > 1e-6).flatten().tolist()
    assert has_changed == [True, False, False, False, False, False, True, True]
