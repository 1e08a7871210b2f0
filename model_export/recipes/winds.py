"""The wind model: a ConvLSTM that forecasts next month's mean wind everywhere on the globe."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from model_export.baselines.monthly_fields import fading_anomalies, month_means, root_mean_square
from model_export.datasets.winds import GRID, ROW_AREAS, WIND_COMPONENTS, load_winds
from model_export.model_card import ModelCard
from model_export.networks.conv_lstm import ConvLstm
from model_export.networks.network import SequenceNetwork
from model_export.networks.seasonal_cycle import SeasonalCycle
from model_export.recipe import Progress, Recipe
from model_export.trainer import Schedule, fit
from service.domain.signature import Readout
from service.domain.tensors import Array, Datatype
from service.repository.feedback import Feedback
from service.repository.manifest import Dataset, Kind, Output, Quality, Step, Task

_CHANNELS, _PLACES = 12, 4
_ROWS, _WINDOW, _UNSCORED = 2, 36, 8
_SCHEDULE = Schedule(steps=200, peak_rate=1e-2, validate_every=50)
_DRIFT_MONTHS, _LARGEST_DRIFT = 12, 3.0
_GOAL = 1.64


class Winds(Recipe):
    """Eight years are few, and later ones lie off their mean: what it must learn is to follow a drift."""

    name = "winds"

    def card(self) -> ModelCard:
        return ModelCard(
            kind=Kind.CONV_LSTM,
            task=Task.FORECAST,
            description="Forecasts next month's mean wind over the globe from the months before it.",
            step=Step(
                datatype=Datatype.FP32,
                shape=(WIND_COMPONENTS + 1, *GRID),
                features=(
                    "mean wind to the east, m/s, rows from 90 S northwards, columns from 20 E eastwards",
                    "mean wind to the north, m/s, on the same grid",
                    "month of the year, 1 to 12, the same in every cell",
                ),
            ),
            output=Output(shape=(WIND_COMPONENTS, *GRID), readout=Readout.LAST, unit="m/s"),
            feedback=Feedback(step=tuple(range(WIND_COMPONENTS)), output=tuple(range(WIND_COMPONENTS))),
            dataset=Dataset(
                name="US Navy FNOC monthly mean surface winds, 1982-1992",
                source="Debian package ferret-datasets 7.6.0, monthly_navy_winds.cdf",
                licence="public domain (US government, as NOAA states)",
                split="months to forecast: 1982-1989 training, 1990 validation, 1991-1992 test",
                preparation="means over cells of 5 degrees; inside the graph the yearly cycle is taken off",
            ),
            remarks=(
                "Errors count by the area of their cell.",
                "It wins over climatology and persistence.",
                "AR(1) in every cell, around the same smooth cycle and learnt from a year more, is better.",
            ),
        )

    def network(self) -> SequenceNetwork:
        return ConvLstm(WIND_COMPONENTS, _CHANNELS, _PLACES, GRID)

    def train(self, network: SequenceNetwork, device: str, progress: Progress) -> None:
        model, winds = _conv_lstm(network), load_winds()
        training = winds.steps[: winds.train.stop]
        months, wind = training[:, WIND_COMPONENTS, 0, 0], training[:, :WIND_COMPONENTS]
        model.cycle.fit(months, wind)
        steps = torch.from_numpy(training).to(device)
        anomaly = steps[:, :WIND_COMPONENTS] - model.cycle(steps[:, WIND_COMPONENTS:])
        model.spread.copy_(anomaly.std())
        losses = _losses(model, steps, anomaly, self.seed)
        fit(model, losses, _SCHEDULE, progress, lambda: _error(model, winds.steps, winds.validation))

    def evaluate(self, network: SequenceNetwork) -> tuple[Quality, ...]:
        steps, test = load_winds().steps, load_winds().test
        wind = steps[:, :WIND_COMPONENTS].astype(np.float64)
        usual, smooth = month_means(wind, test.start), _smooth_cycle(steps, test.start)
        forecasts = {
            "climatology": usual,
            "persistence": np.roll(wind, 1, axis=0),
            "AR(1) in every cell": fading_anomalies(wind, usual, test.start),
            "AR(1) around a smooth cycle": fading_anomalies(wind, smooth, test.start),
        }
        quality = Quality(
            metric="root mean square error, next month, 1991-1992",
            value=_error(_conv_lstm(network), steps, test),
            unit="m/s",
            goal=_GOAL,
            better="lower",
            references={
                name: root_mean_square((forecast - wind)[test.start : test.stop], ROW_AREAS)
                for name, forecast in forecasts.items()
            },
        )
        return (quality,)

    def examples(self, count: int) -> list[Array]:
        winds, rng = load_winds(), np.random.default_rng(self.seed)
        test = winds.steps[winds.test.start : winds.test.stop]
        lengths = rng.integers(6, len(test) + 1, count)
        return [test[len(test) - steps :] for steps in lengths]


def _conv_lstm(network: SequenceNetwork) -> ConvLstm:
    if not isinstance(network, ConvLstm):
        raise TypeError(f"network: is a {type(network).__name__}, must be the ConvLstm of this recipe")
    return network


def _smooth_cycle(steps: Array, known: int) -> Array:
    """The usual wind of every month as the network reckons it, learnt from the first `known` months."""
    cycle = SeasonalCycle((WIND_COMPONENTS, *GRID))
    cycle.fit(steps[:known, WIND_COMPONENTS, 0, 0], steps[:known, :WIND_COMPONENTS])
    usual: Array = cycle(torch.from_numpy(steps[:, WIND_COMPONENTS:])).numpy()
    return usual


def _losses(network: ConvLstm, steps: Tensor, anomaly: Tensor, seed: int) -> Iterator[Callable[[], Tensor]]:
    """Windows of three years, each with a drift of its own laid over it, in the months read and forecast."""
    areas = torch.from_numpy(ROW_AREAS).to(steps)[:, None]
    rng = np.random.default_rng(seed)
    while True:
        starts = rng.integers(len(steps) - _WINDOW, size=_ROWS)
        window = torch.stack([steps[start : start + _WINDOW + 1] for start in starts], dim=1)
        drift = torch.stack([_drift(anomaly, rng) for _ in starts])
        window[:, :, :WIND_COMPONENTS] += drift

        def loss(window: Tensor = window) -> Tensor:
            forecasts = network.forecasts(window[:-1])
            error = (forecasts - window[1:, :, :WIND_COMPONENTS]) / network.spread
            return (error[_UNSCORED:].square() * areas).mean()

        yield loss


def _drift(anomaly: Tensor, rng: np.random.Generator) -> Tensor:
    """How far some year of the training lay off the usual, weakened, enlarged or turned around."""
    start = int(rng.integers(len(anomaly) - _DRIFT_MONTHS))
    return anomaly[start : start + _DRIFT_MONTHS].mean(dim=0) * rng.uniform(-_LARGEST_DRIFT, _LARGEST_DRIFT)


@torch.no_grad()
def _error(network: ConvLstm, steps: Array, months: range) -> float:
    """Root mean square error of the forecasts of `months`, in one stream from the first month on."""
    device = next(network.parameters()).device
    history = torch.from_numpy(steps[: months.stop, np.newaxis]).to(device)
    forecasts = network.forecasts(history[:-1])[months.start - 1 :, 0]
    error = forecasts.cpu().numpy() - steps[months.start : months.stop, :WIND_COMPONENTS]
    return root_mean_square(error, ROW_AREAS)
