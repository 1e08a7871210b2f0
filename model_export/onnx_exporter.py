"""From a trained network to ONNX in the sequence-graph contract."""

from __future__ import annotations

from pathlib import Path

import onnx

from model_export.graph_writer import GraphWriter
from model_export.networks.network import SequenceNetwork
from model_export.recipe import ModelCard


def export_onnx(network: SequenceNetwork, card: ModelCard, name: str) -> onnx.ModelProto:
    """The network as a checked ONNX model. Parity with PyTorch is not checked here: see parity.py."""
    graph = GraphWriter(name, card.step.datatype, card.step.shape)
    network.eval()
    network.write(graph)
    return graph.model()


def write_onnx(model: onnx.ModelProto, path: Path) -> None:
    """Write the file in one piece: the same model always gives the same bytes."""
    path.write_bytes(model.SerializeToString(deterministic=True))
