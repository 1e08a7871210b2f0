"""Two small bundles with random weights, published the way real ones are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from model_export.bundle import Candidate, publish
from model_export.model_card import ModelCard
from model_export.networks.network import SequenceNetwork
from model_export.networks.peephole import PeepholeLstm
from model_export.networks.stacked import StackedLstm
from model_export.onnx_exporter import export_onnx
from model_export.reference import float64_reference
from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.domain.signature import Readout
from service.domain.tensors import Array, Datatype
from service.repository.manifest import Dataset, Kind, Output, State, Step, Task

LABELS = ("rest", "walk", "run")
SYMBOLS = tuple("abcdefgh")

_DATASET = Dataset(name="noise", source="made here", licence="none", split="none")
_GAIT = ModelCard(
    kind=Kind.PEEPHOLE,
    task=Task.CLASSIFICATION,
    description="how somebody moves",
    step=Step(datatype=Datatype.FP32, shape=(2,), features=("up", "ahead")),
    output=Output(shape=(3,), readout=Readout.LAST, labels=LABELS),
    dataset=_DATASET,
)
_LETTERS = ModelCard(
    kind=Kind.STACKED,
    task=Task.NEXT_SYMBOL,
    description="which letter follows",
    step=Step(datatype=Datatype.INT32, shape=(), symbols=SYMBOLS),
    output=Output(shape=(8,), readout=Readout.EVERY_STEP, labels=SYMBOLS),
    dataset=_DATASET,
)


def publish_bundles(models_dir: Path) -> Path:
    """`gait` 1, a classifier, and `letters` 1, which foretells symbols."""
    torch.set_num_threads(1)
    torch.manual_seed(5)
    random = np.random.default_rng(5)
    lengths = (3, 4, 9, 20, 41)
    steps = [random.normal(size=(length, 2)).astype(np.float32) for length in lengths]
    texts = [random.integers(8, size=length).astype(np.int32) for length in lengths]
    _publish("gait", _GAIT, PeepholeLstm(features=2, hidden=6, classes=3), steps, models_dir)
    _publish("letters", _LETTERS, StackedLstm(8, 4, 6, layers=2), texts, models_dir)
    return models_dir


def publish_gait(models_dir: Path, seed: int) -> Path:
    """`gait` 1 with weights of its own; its folder."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    random = np.random.default_rng(5)
    steps = [random.normal(size=(length, 2)).astype(np.float32) for length in (3, 9)]
    _publish("gait", _GAIT, PeepholeLstm(features=2, hidden=6, classes=3), steps, models_dir)
    return models_dir / "gait" / "1"


def _publish(
    name: str, card: ModelCard, network: SequenceNetwork, examples: list[Array], models_dir: Path
) -> None:
    states = tuple(
        State(input=f"{state}_in", output=f"{state}_out", shape=shape)
        for state, shape in network.state_shapes.items()
    )
    candidate = Candidate(
        name=name,
        version="1",
        card=card,
        states=states,
        is_causal=True,
        model=export_onnx(network.eval(), card, name),
        reference=float64_reference(network, card.output.readout),
        examples=examples,
    )
    publish(candidate, OnnxRuntimeBackend(), models_dir, seed=1)
