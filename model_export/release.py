"""From a trained network to a published bundle."""

from __future__ import annotations

from pathlib import Path

from model_export.bundle import Candidate, publish
from model_export.networks.network import SequenceNetwork
from model_export.onnx_exporter import export_onnx
from model_export.parity import ParityReport
from model_export.recipe import Recipe
from model_export.reference import float64_reference
from service.backends.protocol import Backend
from service.repository.manifest import Manifest, Quality, State

_EXAMPLES = 24


def release(
    recipe: Recipe,
    network: SequenceNetwork,
    quality: tuple[Quality, ...],
    backend: Backend,
    models_dir: Path,
    version: str = "1",
) -> tuple[Manifest, ParityReport]:
    """Export, verify against PyTorch and publish; raises ParityFailed, publishing nothing, if inexact."""
    card = recipe.card()
    states = tuple(
        State(input=f"{name}_in", output=f"{name}_out", shape=shape)
        for name, shape in network.state_shapes.items()
    )
    candidate = Candidate(
        name=recipe.name,
        version=version,
        card=card,
        states=states,
        is_causal=bool(states),
        model=export_onnx(network, card, recipe.name),
        reference=float64_reference(network, card.output.readout),
        examples=recipe.examples(_EXAMPLES),
        quality=quality,
    )
    return publish(candidate, backend, models_dir, recipe.seed)
