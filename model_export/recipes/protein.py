"""The protein model: helix, strand or coil for every residue of a chain, from its sequence alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from torch import Tensor
from torch.nn.functional import cross_entropy

from model_export.baselines.residue_votes import ResidueVotes
from model_export.datasets.protein import AMINO_ACIDS, LABELS, Chain, load_protein
from model_export.model_card import ModelCard
from model_export.networks.bidirectional import BidirectionalLstm
from model_export.networks.mask import own_steps
from model_export.networks.network import SequenceNetwork
from model_export.networks.symbol_embedding import SymbolEmbedding
from model_export.networks.window import Window
from model_export.padded_batches import answers, padded, similar_lengths
from model_export.recipe import Progress, Recipe
from model_export.trainer import Schedule, fit
from service.domain.signature import Readout
from service.domain.tensors import Array, Datatype
from service.repository.manifest import Dataset, Kind, Output, Quality, Step, Task

_EMBEDDING, _WINDOW, _REACH, _HIDDEN, _LAYERS, _DROPOUT = 16, 64, 5, 64, 2, 0.1
_ROWS = 16
_SCHEDULE = Schedule(steps=2000, peak_rate=1e-2, weight_decay=0.1, validate_every=500)
_GOAL = 72.0


class Protein(Recipe):
    """Reads a chain both ways; batches hold chains of similar length."""

    name = "protein"

    def card(self) -> ModelCard:
        return ModelCard(
            kind=Kind.BIDIRECTIONAL,
            task=Task.LABELLING,
            description="Tells helix, strand and coil for every residue of a protein chain.",
            step=Step(datatype=Datatype.INT32, shape=(), symbols=tuple(AMINO_ACIDS)),
            output=Output(shape=(len(LABELS),), readout=Readout.EVERY_STEP, labels=LABELS),
            dataset=Dataset(
                name="PDB chains with DSSP states, 25 % identity representatives",
                source="Debian package promod3-data 3.2.1",
                licence="CC0 (PDB data); ProMod3 is Apache-2.0",
                split="by chain: 8,340 training, 500 validation, 500 test; 40 to 400 residues",
                preparation="one step is one amino acid; DSSP H, G, I are helix, E, B strand, the rest coil",
            ),
            remarks=(
                "It reads one sequence; methods that read an alignment of its relatives do much better.",
                "The figures of SPIDER3-Single and SPOT-1D-Single are from other test sets, for orientation.",
            ),
        )

    def network(self) -> SequenceNetwork:
        return BidirectionalLstm(
            SymbolEmbedding(len(AMINO_ACIDS), _EMBEDDING),
            _HIDDEN,
            len(LABELS),
            Readout.EVERY_STEP,
            layers=_LAYERS,
            dropout=_DROPOUT,
            window=Window(_EMBEDDING, _WINDOW, _REACH),
        )

    def train(self, network: SequenceNetwork, device: str, progress: Progress) -> None:
        model, chains = _bidirectional(network), load_protein()
        losses = _losses(model, chains.training, self.seed, device)
        fit(model, losses, _SCHEDULE, progress, lambda: -_network_percent(model, chains.validation))

    def evaluate(self, network: SequenceNetwork) -> tuple[Quality, ...]:
        chains = load_protein()
        votes = ResidueVotes(chains.training)
        quality = Quality(
            metric="Q3, residues with the right one of three labels",
            value=_network_percent(network, chains.test),
            unit="%",
            goal=_GOAL,
            better="higher",
            references={
                "naive Bayes over 17 residues": _right_percent(
                    [votes.labels(chain.residues) for chain in chains.test], chains.test
                ),
                "SPIDER3-Single, as published for TEST2018": 72.57,
                "SPOT-1D-Single, as published for TEST2018": 74.28,
            },
        )
        return (quality,)

    def examples(self, count: int) -> list[Array]:
        return [chain.residues for chain in load_protein().test[:count]]


def _bidirectional(network: SequenceNetwork) -> BidirectionalLstm:
    if not isinstance(network, BidirectionalLstm):
        raise TypeError(
            f"network: is a {type(network).__name__}, must be the BidirectionalLstm of this recipe"
        )
    return network


def _losses(
    network: BidirectionalLstm, chains: list[Chain], seed: int, device: str
) -> Iterator[Callable[[], Tensor]]:
    rng = np.random.default_rng(seed)
    for chosen in similar_lengths([len(chain.residues) for chain in chains], _ROWS, rng):

        def loss(chosen: Array = chosen) -> Tensor:
            residues, lengths = padded([chains[index].residues for index in chosen], device)
            structure, _ = padded([chains[index].structure for index in chosen], device)
            own = own_steps(len(residues), lengths)
            return cross_entropy(network.logits(residues, lengths)[own], structure[own])

        yield loss


def _network_percent(network: SequenceNetwork, chains: list[Chain]) -> float:
    outputs = answers(network, [chain.residues for chain in chains])
    return _right_percent([output.argmax(axis=-1) for output in outputs], chains)


def _right_percent(found: list[Array], chains: list[Chain]) -> float:
    due = np.concatenate([chain.structure for chain in chains])
    return 100 * float(np.mean(np.concatenate(found) == due))
