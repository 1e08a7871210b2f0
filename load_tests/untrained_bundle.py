"""Bundles of plain LSTM layers with random weights: speed does not depend on what was learnt."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model_export.graph_writer import GraphWriter
from service.domain.signature import Readout
from service.domain.tensors import Datatype
from service.repository.manifest import MANIFEST, ONNX, Kind, Manifest, Output, State, Step, Task, Tolerance


@dataclass(frozen=True, slots=True)
class LstmSize:
    """LSTM layers of `hidden` cells over steps of `features` numbers, and a softmax over `classes`."""

    hidden: int
    layers: int
    features: int
    classes: int = 9


def write_untrained_bundle(
    models_dir: Path, name: str, size: LstmSize, version: str = "1", seed: int = 7
) -> Path:
    """Write a bundle that the loader takes like any other; the same size and seed give the same weights."""
    folder = models_dir / name / version
    folder.mkdir(parents=True)
    graph = _Layers(name, size, seed).written()
    model = graph.model().SerializeToString(deterministic=True)
    (folder / ONNX).write_bytes(model)
    manifest = _manifest(name, version, size, hashlib.sha256(model).hexdigest())
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    return folder


class _Layers:
    """The graph, node by node."""

    def __init__(self, name: str, size: LstmSize, seed: int) -> None:
        self._size = size
        self._random = np.random.default_rng(seed)
        self._graph = GraphWriter(name, Datatype.FP32, (size.features,))

    def written(self) -> GraphWriter:
        graph, size = self._graph, self._size
        y, h = graph.sequence, ""
        for layer, width in enumerate((size.features, *[size.hidden] * (size.layers - 1))):
            y, h = self._layer(y, layer, width)
        head = graph.node("MatMul", h, self._weights(size.hidden, size.classes))
        graph.output(graph.node("Softmax", head, axis=-1), Readout.LAST, (size.classes,))
        return graph

    def _layer(self, x: str, layer: int, width: int) -> tuple[str, str]:
        """Add an LSTM node and its states; returns `y [time, batch, hidden]`, last `h [batch, hidden]`."""
        graph, hidden = self._graph, self._size.hidden
        states = [graph.state(f"{part}{layer}", (hidden,)) for part in ("h", "c")]
        y, h, c = graph.nodes(
            "LSTM",
            x,
            self._weights(1, 4 * hidden, width),
            self._weights(1, 4 * hidden, hidden),
            self._weights(1, 8 * hidden),
            graph.lengths,
            *(graph.unsqueeze(state, 0) for state in states),
            outputs=3,
            hidden_size=hidden,
        )
        last_h = graph.squeeze(h, 0)
        graph.new_state(f"h{layer}", last_h)
        graph.new_state(f"c{layer}", graph.squeeze(c, 0))
        return graph.squeeze(y, 1), last_h

    def _weights(self, *shape: int) -> str:
        bound = self._size.hidden**-0.5
        return self._graph.constant(self._random.uniform(-bound, bound, shape), "weights")


def _manifest(name: str, version: str, size: LstmSize, sha256: str) -> Manifest:
    states = [f"{part}{layer}" for layer in range(size.layers) for part in ("h", "c")]
    return Manifest(
        name=name,
        version=version,
        kind=Kind.STACKED if size.layers > 1 else Kind.VANILLA,
        task=Task.TENSOR,
        description="LSTM layers with random weights, for load tests.",
        causal=True,
        step=Step(datatype=Datatype.FP32, shape=(size.features,)),
        output=Output(shape=(size.classes,), readout=Readout.LAST),
        states=tuple(State(input=f"{one}_in", output=f"{one}_out", shape=(size.hidden,)) for one in states),
        tolerance=Tolerance(reference=1e-5, batched=1e-5, chunked=1e-5),
        files={ONNX: sha256},
    )
