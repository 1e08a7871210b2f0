"""The speaker models: one bidirectional LSTM layer, in four ways to join its two directions."""

from __future__ import annotations

import numpy as np

from model_export.baselines.nearest_warped import nearest_labels
from model_export.datasets.vowels import FEATURES, SPEAKERS, load_vowels
from model_export.model_card import ModelCard
from model_export.networks.bidirectional import BidirectionalLstm
from model_export.networks.merge import Merge
from model_export.networks.network import SequenceNetwork
from model_export.networks.normaliser import Normaliser
from model_export.recipe import Progress, Recipe
from model_export.trainer import Schedule, fit
from model_export.utterance_learning import accuracy_percent, share_percent, utterance_losses
from service.domain.signature import Readout
from service.domain.tensors import Array, Datatype
from service.repository.manifest import Dataset, Kind, Output, Quality, Step, Task

_LABELS = tuple(f"speaker {number}" for number in range(1, SPEAKERS + 1))
_HIDDEN, _DROPOUT = 64, 0.3
_ROWS = 32
_SCHEDULE = Schedule(steps=400, peak_rate=2e-2, weight_decay=0.1)
_GOALS = {Merge.CONCAT: 97.5, Merge.SUM: 96.0, Merge.MULTIPLICATION: 96.0, Merge.AVERAGE: 96.0}


class Vowels(Recipe):
    """Settings were chosen within the 270 known utterances; the weights then learn from all of them."""

    def __init__(self, merge: str) -> None:
        self._merge = Merge(merge)
        self.name = "vowels" if self._merge is Merge.CONCAT else f"vowels-{merge}"

    def card(self) -> ModelCard:
        return ModelCard(
            kind=Kind.BIDIRECTIONAL,
            task=Task.CLASSIFICATION,
            description=f"Tells which of nine men says /ae/; its two directions are joined by {self._merge}.",
            step=Step(
                datatype=Datatype.FP32,
                shape=(FEATURES,),
                features=tuple(f"LPC cepstral coefficient {number}" for number in range(1, FEATURES + 1)),
            ),
            output=Output(shape=(SPEAKERS,), readout=Readout.LAST, labels=_LABELS),
            dataset=Dataset(
                name="Japanese Vowels (Kudo, Toyama, Shimbo)",
                source="PyPI package aeon 1.6.0, from the UCI repository",
                licence="CC BY 4.0",
                split="official: 270 training utterances, 30 of each speaker, and 370 test; "
                "settings were chosen by five-fold cross-validation within the 270",
                preparation="one step is one frame of 12 coefficients, as recorded",
            ),
            remarks=(
                "It knows nine speakers and one vowel sequence; anyone else is taken for one of them.",
                "Small set: one test utterance is 0.27 percentage points.",
            ),
        )

    def network(self) -> SequenceNetwork:
        return BidirectionalLstm(
            Normaliser(FEATURES), _HIDDEN, SPEAKERS, Readout.LAST, self._merge, dropout=_DROPOUT
        )

    def train(self, network: SequenceNetwork, device: str, progress: Progress) -> None:
        model, normaliser = _parts(network)
        known = load_vowels().known
        normaliser.fit(known.sequences)
        fit(model, utterance_losses(model.logits, known, _ROWS, self.seed, device), _SCHEDULE, progress)

    def evaluate(self, network: SequenceNetwork) -> tuple[Quality, ...]:
        spoken = load_vowels()
        nearest = nearest_labels(spoken.known, spoken.test)
        quality = Quality(
            metric="accuracy",
            value=accuracy_percent(network, spoken.test),
            unit="%",
            goal=_GOALS[self._merge],
            better="higher",
            references={
                "nearest neighbour by dynamic time warping": share_percent(nearest, spoken.test.labels)
            },
        )
        return (quality,)

    def examples(self, count: int) -> list[Array]:
        sequences = load_vowels().test.sequences
        chosen = np.random.default_rng(self.seed).choice(len(sequences), count, replace=False)
        return [sequences[index] for index in chosen]


def _parts(network: SequenceNetwork) -> tuple[BidirectionalLstm, Normaliser]:
    if isinstance(network, BidirectionalLstm) and isinstance(network.front, Normaliser):
        return network, network.front
    raise TypeError(f"network: is a {type(network).__name__}, must be the BidirectionalLstm of this recipe")
