"""A trained network on disk: weights as plain arrays, and beside them how they came about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel

from model_export.networks.network import SequenceNetwork
from service.repository.manifest import Quality

_WEIGHTS = "weights.npz"
_TRAINING = "training.json"


class Training(BaseModel):
    """How a checkpoint was trained, and what it reached on the sealed test set."""

    name: str
    seed: int
    device: str
    threads: int
    torch: str
    seconds: float
    quality: tuple[Quality, ...]


class NoCheckpoint(Exception):
    """There is nothing trained under this name."""


def save_checkpoint(folder: Path, network: SequenceNetwork, training: Training) -> None:
    """Write weights and account; an earlier checkpoint is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.cpu().numpy() for name, tensor in network.state_dict().items()}
    np.savez(folder / _WEIGHTS, **weights)
    (folder / _TRAINING).write_text(training.model_dump_json(indent=2) + "\n")


def load_checkpoint(folder: Path, network: SequenceNetwork) -> Training:
    """Fill the network's weights; raises NoCheckpoint saying how to get one."""
    if not (folder / _WEIGHTS).is_file() or not (folder / _TRAINING).is_file():
        raise NoCheckpoint(f"{folder}: no checkpoint; train it first: carousel train {folder.name}")
    with np.load(folder / _WEIGHTS, allow_pickle=False) as arrays:
        weights = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    network.load_state_dict(weights)
    network.eval()
    return Training.model_validate_json((folder / _TRAINING).read_bytes())
