"""From a trained network to ONNX in the sequence-graph contract."""

from __future__ import annotations

import onnx

from model_export.graph_writer import GraphWriter
from model_export.model_card import ModelCard
from model_export.networks.network import SequenceNetwork


def export_onnx(network: SequenceNetwork, card: ModelCard, name: str) -> onnx.ModelProto:
    """The network as a checked ONNX model. Parity with PyTorch is not checked here: see parity.py."""
    graph = GraphWriter(name, card.step.datatype, card.step.shape)
    network.eval()
    network.write(graph)
    return graph.model()
