"""ConvLSTM: an LSTM whose state is a map, forecasting the next month's field."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from onnx import TensorProto
from torch import Tensor, nn

from model_export.graph_writer import GraphWriter
from model_export.networks.conv_lstm_cell import ConvLstmCell
from model_export.networks.lstm_layer import last_step, write_last_step
from model_export.networks.mask import own_steps
from model_export.networks.network import SequenceNetwork, States
from model_export.networks.seasonal_cycle import SeasonalCycle
from service.domain.signature import Readout
from service.domain.tensors import Shape


class ConvLstm(SequenceNetwork):
    """`[time, batch, fields + 1, lat, lon]` to the next `[batch, fields, lat, lon]` of each row.

    A step is a map of `fields` values and a plane with the number of its month, 1 to 12, in every cell.
    The network reads and forecasts how far the fields lie from the usual of the month, in spreads.
    """

    spread: Tensor

    def __init__(self, fields: int, channels: int, places: int, grid: Shape) -> None:
        super().__init__()
        self.field_shape = (fields, *grid)
        self.cycle = SeasonalCycle(self.field_shape)
        self.cell = ConvLstmCell(fields, channels, places, grid)
        self.head = nn.Conv2d(channels, fields, 1)
        self.register_buffer("spread", torch.ones(()))
        nn.init.zeros_(self.head.weight)

    @property
    def state_shapes(self) -> dict[str, Shape]:
        shape = (self.cell.channels, *self.field_shape[1:])
        return {"h": shape, "c": shape}

    def forward(self, sequence: Tensor, lengths: Tensor, states: States = ()) -> tuple[Tensor, States]:
        h, c = states or self.fresh_states(sequence)
        at_places = self.cell.at_places()
        steps = zip(self._anomaly(sequence), own_steps(len(sequence), lengths), strict=True)
        for anomaly, is_own in steps:
            new_h, new_c = self.cell(anomaly, h, c, at_places)
            own = is_own.view(-1, 1, 1, 1)
            h, c = torch.where(own, new_h, h), torch.where(own, new_c, c)
        return self._forecast(last_step(sequence, lengths), h), (h, c)

    def forecasts(self, sequence: Tensor) -> Tensor:
        """The forecast after every step, `[time, batch, fields, lat, lon]`: what training needs."""
        h, c = self.fresh_states(sequence)
        at_places = self.cell.at_places()
        found = []
        for step, anomaly in zip(sequence, self._anomaly(sequence), strict=True):
            h, c = self.cell(anomaly, h, c, at_places)
            found.append(self._forecast(step, h))
        return torch.stack(found)

    def _anomaly(self, sequence: Tensor) -> Tensor:
        fields = self.field_shape[0]
        anomaly: Tensor = sequence[:, :, :fields] - self.cycle(sequence[:, :, fields:])
        return anomaly / self.spread

    def _forecast(self, step: Tensor, h: Tensor) -> Tensor:
        next_month = step[:, self.field_shape[0] :] + 1
        forecast: Tensor = self.cycle(next_month) + self.head(h) * self.spread
        return forecast

    def write(self, graph: GraphWriter) -> None:
        h, c = (graph.state(name, shape) for name, shape in self.state_shapes.items())
        field, month = self._split(graph, graph.sequence)
        spread = graph.constant(self.spread.cpu().numpy(), "spread")
        anomaly = graph.node("Div", graph.node("Sub", field, self.cycle.write(graph, month)), spread)
        left = graph.node("Cast", graph.lengths, to=TensorProto.FLOAT)
        h, c, _ = graph.scan([h, c, left], anomaly, partial(self._write_step, graph))
        next_month = graph.node("Add", write_last_step(graph, month, rank=5), graph.constant(1.0, "one"))
        deviation = graph.node("Mul", self._write_head(graph, h), spread)
        forecast = graph.node("Add", self.cycle.write(graph, next_month), deviation)
        graph.output(forecast, Readout.LAST, self.field_shape)
        graph.new_state("h", h)
        graph.new_state("c", c)

    def _write_step(self, graph: GraphWriter, carried: list[str], anomaly: str) -> list[str]:
        """The next h and c of the rows that have steps left, and how many are left after this one."""
        h, c, left = carried
        new_h, new_c = self.cell.write(graph, anomaly, h, c)
        is_own = graph.node("Greater", left, graph.constant(0.0, "zero"))
        own = graph.node("Reshape", is_own, graph.constant([-1, 1, 1, 1], "per_row"))
        left = graph.node("Sub", left, graph.constant(1.0, "one"))
        return [graph.node("Where", own, new_h, h), graph.node("Where", own, new_c, c), left]

    def _write_head(self, graph: GraphWriter, h: str) -> str:
        weight, bias = (part.detach().cpu().numpy() for part in self.head.parameters())
        return graph.node("Conv", h, graph.constant(weight, "weight"), graph.constant(bias, "bias"))

    def _split(self, graph: GraphWriter, steps: str) -> list[str]:
        """The fields of every step, and its month."""
        parts = graph.constant(np.array([self.field_shape[0], 1]), "parts")
        return graph.nodes("Split", steps, parts, outputs=2, axis=2)
