"""Bidirectional, peephole and CNN-LSTM: their graphs in ONNX Runtime against PyTorch in float64."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from recurrent_graphs import session_of
from torch import nn

from model_export.graph_writer import GraphWriter
from model_export.networks.bidirectional import BidirectionalLstm
from model_export.networks.cnn_lstm import CnnLstm
from model_export.networks.merge import Merge
from model_export.networks.network import SequenceNetwork
from model_export.networks.normaliser import Normaliser
from model_export.networks.peephole import PeepholeLstm
from model_export.networks.symbol_embedding import SymbolEmbedding
from model_export.networks.window import Window
from service.domain.signature import LENGTHS, SEQUENCE, Readout
from service.domain.tensors import Array, Datatype, Shape

FEATURES = 5
SYMBOLS = 7
CLASSES = 4
TOLERANCE = 2e-6


class Case:
    """A network with random weights, its graph in ONNX Runtime, and itself in float64."""

    def __init__(self, network: SequenceNetwork, datatype: Datatype, step: Shape) -> None:
        torch.manual_seed(3)
        for tensor in [*network.parameters(), *network.buffers()]:
            if tensor.is_floating_point():
                # Positive, so that they can also be scales and variances; the signs are in the data.
                nn.init.uniform_(tensor, *((-0.7, 0.7) if tensor.requires_grad else (0.5, 1.5)))
        graph = GraphWriter("case", datatype, step)
        network.eval().write(graph)
        self.session = session_of(graph.model().SerializeToString())
        self.exact = copy.deepcopy(network).double()
        self.shapes = network.state_shapes
        self.datatype, self.step = datatype, step

    def sequence(self, steps: int, rng: np.random.Generator) -> Array:
        if self.datatype.is_floating:
            return rng.normal(1.0, 2.0, (steps, *self.step)).astype(np.float32)
        return rng.integers(SYMBOLS, size=steps).astype(np.int32)

    def states(self, rows: int, rng: np.random.Generator) -> list[Array]:
        return [rng.normal(size=(rows, *shape)).astype(np.float32) for shape in self.shapes.values()]

    def in_graph(self, sequences: list[Array], states: list[Array], time: int) -> list[list[Array]]:
        """Each row's output within its length and its new states; padding is 1,000, far from any data."""
        lengths = np.array([len(sequence) for sequence in sequences], np.int32)
        together = np.full((time, len(sequences), *self.step), 1000, self.datatype.dtype)
        for row, sequence in enumerate(sequences):
            together[: len(sequence), row] = sequence
        feeds = {SEQUENCE: together, LENGTHS: lengths}
        feeds.update({f"{name}_in": state for name, state in zip(self.shapes, states, strict=True)})
        output, *last = self.session.run(None, feeds)
        has_steps = output.ndim == 3
        return [
            [output[:steps, row] if has_steps else output[row], *(state[row] for state in last)]
            for row, steps in enumerate(lengths)
        ]

    def in_torch(self, sequence: Array, states: list[Array], row: int) -> list[Array]:
        """The same row alone and unpadded, in double precision."""
        steps = torch.from_numpy(sequence[:, np.newaxis])
        steps = steps.double() if self.datatype.is_floating else steps
        given = tuple(torch.from_numpy(state[row : row + 1]).double() for state in states)
        with torch.no_grad():
            output, last = self.exact(steps, torch.tensor([len(sequence)]), given)
        first = output[:, 0] if output.dim() == 3 else output[0]
        return [first.numpy(), *(state[0].numpy() for state in last)]


def bidirectional(merge: Merge, readout: Readout, layers: int) -> Case:
    network = BidirectionalLstm(Normaliser(FEATURES), 6, CLASSES, readout, merge, layers)
    return Case(network, Datatype.FP32, (FEATURES,))


def labelling() -> Case:
    front, window = SymbolEmbedding(SYMBOLS, 3), Window(3, 5, reach=2)
    network = BidirectionalLstm(front, 6, CLASSES, Readout.EVERY_STEP, layers=2, window=window)
    return Case(network, Datatype.INT32, ())


def peephole() -> Case:
    return Case(PeepholeLstm(FEATURES, 6, CLASSES), Datatype.FP32, (FEATURES,))


def cnn_lstm() -> Case:
    return Case(CnnLstm(9, (3, 4, 5), (1, 2, 3), 6, CLASSES), Datatype.FP32, (9,))


CASES: dict[str, Callable[[], Case]] = {
    **{
        f"{merge}-{readout}-{layers}": partial(bidirectional, merge, readout, layers)
        for merge in Merge
        for readout in Readout
        for layers in (1, 2)
    },
    "labelling": labelling,
    "peephole": peephole,
    "cnn_lstm": cnn_lstm,
}


@pytest.fixture(scope="module", params=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]()


@pytest.mark.parametrize(("time", "lengths"), [(1, [1]), (8, [8]), (7, [3, 7, 1]), (13, [12, 1, 5, 2, 12])])
def test_a_padded_row_in_the_graph_equals_the_row_alone_in_float64(
    case: Case, time: int, lengths: list[int]
) -> None:
    rng = np.random.default_rng(time)
    sequences = [case.sequence(steps, rng) for steps in lengths]
    states = case.states(len(lengths), rng)
    for row, found in enumerate(case.in_graph(sequences, states, time)):
        for mine, due in zip(found, case.in_torch(sequences[row], states, row), strict=True):
            np.testing.assert_allclose(mine, due, rtol=0, atol=TOLERANCE)


def test_a_padded_batch_in_pytorch_equals_its_rows_alone(case: Case) -> None:
    rng = np.random.default_rng(5)
    sequences = [case.sequence(steps, rng) for steps in (4, 9, 1)]
    together = np.full((9, 3, *case.step), 1000, case.datatype.dtype)
    for row, sequence in enumerate(sequences):
        together[: len(sequence), row] = sequence
    steps = torch.from_numpy(together)
    with torch.no_grad():
        output, _ = case.exact(
            steps.double() if case.datatype.is_floating else steps, torch.tensor([4, 9, 1])
        )
    for row, sequence in enumerate(sequences):
        due = case.in_torch(sequence, [np.zeros((3, *shape)) for shape in case.shapes.values()], row)[0]
        found = output[: len(sequence), row] if output.dim() == 3 else output[row]
        np.testing.assert_allclose(found.numpy(), due, rtol=0, atol=1e-12)


def test_probabilities_are_positive_and_sum_to_one(case: Case) -> None:
    rng = np.random.default_rng(6)
    (output, *_), *_ = case.in_graph([case.sequence(6, rng)], case.states(1, rng), 6)
    assert (output > 0).all()
    np.testing.assert_allclose(output.sum(axis=-1), 1.0, rtol=0, atol=1e-6)


@pytest.mark.parametrize("cut", [1, 4, 8])
def test_a_peephole_sequence_in_two_chunks_equals_it_whole(cut: int) -> None:
    case, rng = peephole(), np.random.default_rng(7)
    sequence, states = case.sequence(9, rng), case.states(1, rng)
    whole = case.in_graph([sequence], states, 9)[0]
    _, *between = case.in_graph([sequence[:cut]], states, 9)[0]
    chunked = case.in_graph([sequence[cut:]], [state[np.newaxis] for state in between], 9)[0]
    for mine, due in zip(chunked, whole, strict=True):
        np.testing.assert_allclose(mine, due, rtol=0, atol=TOLERANCE)


def test_the_peephole_gates_follow_the_equations_of_the_specification() -> None:
    case, rng = peephole(), np.random.default_rng(8)
    layer = case.exact.get_submodule("lstm")
    weights = {name: value.detach().numpy() for name, value in layer.named_parameters()}
    x, h, c = rng.normal(size=5), rng.normal(size=6), rng.normal(size=6)
    p_i, p_o, p_f = np.split(weights["peepholes"], 3)
    i, o, f, g = np.split(weights["input_weight"] @ x + weights["recurrent_weight"] @ h + weights["bias"], 4)
    c_new = c / (1 + np.exp(-f - p_f * c)) + np.tanh(g) / (1 + np.exp(-i - p_i * c))
    h_new = np.tanh(c_new) / (1 + np.exp(-o - p_o * c_new))
    found = layer(*(torch.from_numpy(v) for v in (x[None, None], np.array([1]), h[None], c[None])))
    np.testing.assert_allclose(found[0][0].detach().numpy(), h_new, atol=1e-12)
    np.testing.assert_allclose(found[1][0].detach().numpy(), c_new, atol=1e-12)


def test_the_merges_join_as_they_are_called() -> None:
    ahead, back = torch.tensor([[2.0, 3.0]]), torch.tensor([[4.0, -1.0]])
    joined = {merge.value: merge.combine(ahead, back).tolist() for merge in Merge}
    assert joined == {
        "concat": [[2.0, 3.0, 4.0, -1.0]],
        "sum": [[6.0, 2.0]],
        "multiplication": [[8.0, -3.0]],
        "average": [[3.0, 1.0]],
    }
