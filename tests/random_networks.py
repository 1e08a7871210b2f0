"""Every kind of network with random weights, exported, with PyTorch in float64 beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from model_export.graph_writer import GraphWriter
from model_export.networks.bidirectional import BidirectionalLstm
from model_export.networks.cnn_lstm import CnnLstm
from model_export.networks.conv_lstm import ConvLstm
from model_export.networks.merge import Merge
from model_export.networks.network import SequenceNetwork
from model_export.networks.normaliser import Normaliser
from model_export.networks.peephole import PeepholeLstm
from model_export.networks.stacked import StackedLstm
from model_export.networks.symbol_embedding import SymbolEmbedding
from model_export.networks.vanilla import VanillaLstm
from model_export.onnx_file import write_onnx
from model_export.reference import Reference, float64_reference
from service.backends.protocol import Artifact
from service.domain.signature import Readout, Signature, StateSpec
from service.domain.tensors import Array, Datatype, Shape
from service.repository.manifest import ONNX

SYMBOLS = 11

Made = tuple[SequenceNetwork, Shape, Readout]


def _bidirectional(merge: Merge) -> Made:
    return BidirectionalLstm(Normaliser(3), 6, 4, Readout.LAST, merge), (3,), Readout.LAST


def _tagger() -> Made:
    front = SymbolEmbedding(SYMBOLS, 4)
    return BidirectionalLstm(front, 5, 3, Readout.EVERY_STEP, layers=2), (), Readout.EVERY_STEP


KINDS: dict[str, Callable[[], Made]] = {
    "vanilla": lambda: (VanillaLstm(horizon=3, hidden=6), (5,), Readout.LAST),
    "stacked": lambda: (StackedLstm(SYMBOLS, 4, 6, layers=2), (), Readout.EVERY_STEP),
    "bidirectional concat": lambda: _bidirectional(Merge.CONCAT),
    "bidirectional multiplication": lambda: _bidirectional(Merge.MULTIPLICATION),
    "bidirectional tagger": _tagger,
    "peephole": lambda: (PeepholeLstm(features=3, hidden=6, classes=4), (3,), Readout.LAST),
    "cnn_lstm": lambda: (
        CnnLstm(height=9, channels=(2, 3), dilations=(1, 2), hidden=4, classes=5),
        (9,),
        Readout.EVERY_STEP,
    ),
    "conv_lstm": lambda: (ConvLstm(fields=2, channels=3, places=2, grid=(3, 4)), (3, 3, 4), Readout.LAST),
}
CAUSAL = ["vanilla", "stacked", "peephole", "conv_lstm"]


@dataclass(frozen=True)
class RandomNetwork:
    """One exported network: its file and signature, and the truth it is compared with."""

    artifact: Artifact
    reference: Reference

    @property
    def signature(self) -> Signature:
        return self.artifact.signature

    def sequence(self, steps: int, random: np.random.Generator, spread: float = 1.0) -> Array:
        """`[steps, *step]`: symbols, or normal numbers."""
        if not self.signature.step_shape:
            return random.integers(SYMBOLS, size=steps).astype(np.int32)
        return random.normal(scale=spread, size=(steps, *self.signature.step_shape)).astype(np.float32)


def random_network(kind: str, folder: Path) -> RandomNetwork:
    # Networks this small are slower on more threads.
    torch.set_num_threads(1)
    torch.manual_seed(11)
    network, step_shape, readout = KINDS[kind]()
    for weights in network.parameters():
        weights.data = torch.empty_like(weights).uniform_(-0.7, 0.7)
    network.eval()
    datatype = Datatype.FP32 if step_shape else Datatype.INT32
    graph = GraphWriter("random", datatype, step_shape)
    network.write(graph)
    write_onnx(graph.model(), folder / ONNX)
    signature = Signature(
        step_datatype=datatype,
        step_shape=step_shape,
        output_shape=(),
        readout=readout,
        states=tuple(StateSpec(f"{n}_in", f"{n}_out", shape) for n, shape in network.state_shapes.items()),
        symbol_count=None if step_shape else SYMBOLS,
    )
    return RandomNetwork(Artifact(folder / ONNX, signature), float64_reference(network, readout))
