"""A bundle with random weights, of the size that the published comparisons use."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from model_export.graph_writer import GraphWriter
from service.domain.signature import Readout
from service.domain.tensors import Datatype
from service.repository.manifest import MANIFEST, ONNX, Kind, Manifest, Output, State, Step, Task, Tolerance

FEATURES, HIDDEN, LAYERS, CLASSES = 12, 64, 2, 9
_NAME = "two-layer"


def write_two_layer_bundle(models_dir: Path) -> Path:
    """Write a bundle of two LSTM layers that the loader takes like any other; returns its folder."""
    folder = models_dir / _NAME / "1"
    folder.mkdir(parents=True)
    model = _graph(np.random.default_rng(7)).model().SerializeToString(deterministic=True)
    (folder / ONNX).write_bytes(model)
    (folder / MANIFEST).write_text(_manifest(hashlib.sha256(model).hexdigest()).model_dump_json())
    return folder


def _graph(random: np.random.Generator) -> GraphWriter:
    graph = GraphWriter(_NAME, Datatype.FP32, (FEATURES,))
    y, h = graph.sequence, ""
    for layer, width in enumerate((FEATURES, *[HIDDEN] * (LAYERS - 1))):
        y, h = _write_layer(graph, random, y, layer, width)
    head = graph.node("MatMul", h, _weights(graph, random, HIDDEN, CLASSES))
    graph.output(graph.node("Softmax", head, axis=-1), Readout.LAST, (CLASSES,))
    return graph


def _write_layer(
    graph: GraphWriter, random: np.random.Generator, x: str, layer: int, width: int
) -> tuple[str, str]:
    """Add an LSTM node and its states; returns `y [time, batch, hidden]` and the last `h [batch, hidden]`."""
    states = [graph.state(f"{part}{layer}", (HIDDEN,)) for part in ("h", "c")]
    y, h, c = graph.nodes(
        "LSTM",
        x,
        _weights(graph, random, 1, 4 * HIDDEN, width),
        _weights(graph, random, 1, 4 * HIDDEN, HIDDEN),
        _weights(graph, random, 1, 8 * HIDDEN),
        graph.lengths,
        *(graph.unsqueeze(state, 0) for state in states),
        outputs=3,
        hidden_size=HIDDEN,
    )
    last_h = graph.squeeze(h, 0)
    graph.new_state(f"h{layer}", last_h)
    graph.new_state(f"c{layer}", graph.squeeze(c, 0))
    return graph.squeeze(y, 1), last_h


def _weights(graph: GraphWriter, random: np.random.Generator, *shape: int) -> str:
    bound = HIDDEN**-0.5
    return graph.constant(random.uniform(-bound, bound, shape), "weights")


def _manifest(sha256: str) -> Manifest:
    names = [f"{part}{layer}" for layer in range(LAYERS) for part in ("h", "c")]
    return Manifest(
        name=_NAME,
        version="1",
        kind=Kind.STACKED,
        task=Task.TENSOR,
        description="Two LSTM layers with random weights, for load tests.",
        causal=True,
        step=Step(datatype=Datatype.FP32, shape=(FEATURES,)),
        output=Output(shape=(CLASSES,), readout=Readout.LAST),
        states=tuple(State(input=f"{name}_in", output=f"{name}_out", shape=(HIDDEN,)) for name in names),
        tolerance=Tolerance(reference=1e-5, batched=1e-5, chunked=1e-5),
        files={ONNX: sha256},
    )
