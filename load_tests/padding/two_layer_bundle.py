"""A bundle with random weights, of the size that the published comparisons use."""

from __future__ import annotations

from pathlib import Path

from load_tests.untrained_bundle import LstmSize, write_untrained_bundle

FEATURES = 12


def write_two_layer_bundle(models_dir: Path) -> Path:
    """Write a bundle of two LSTM layers that the loader takes like any other; returns its folder."""
    return write_untrained_bundle(models_dir, "two-layer", LstmSize(hidden=64, layers=2, features=FEATURES))
