"""One training from seed to score."""

from __future__ import annotations

import time

import torch

from model_export.checkpoint import Training
from model_export.networks.network import SequenceNetwork
from model_export.recipe import Progress, Recipe


def run_training(
    recipe: Recipe, device: str, threads: int, progress: Progress
) -> tuple[SequenceNetwork, Training]:
    """Train the recipe's network and score it once on the sealed test set."""
    torch.set_num_threads(threads)
    torch.manual_seed(recipe.seed)
    started = time.perf_counter()
    network = recipe.network().to(device)
    recipe.train(network, device, progress)
    network = network.cpu().eval()
    seconds = time.perf_counter() - started
    with torch.no_grad():
        quality = recipe.evaluate(network)
    training = Training(
        name=recipe.name,
        seed=recipe.seed,
        device=device,
        threads=threads,
        torch=torch.__version__,
        seconds=round(seconds, 1),
        quality=quality,
    )
    return network, training
