"""Modules whose answer at a step knows only the steps before it: their imports have states."""

from __future__ import annotations

import torch
from onnx_import_torch_modules import (
    CLASSES,
    FEATURES,
    HIDDEN,
    ROWS,
    STACKED,
    STEPS,
    SYMBOLS,
    Case,
    case,
    classes,
    convolution,
    descending,
    flat_head,
    frames,
    frames_flattened,
    gathered_last,
    head,
    images,
    indexed_last,
    last,
    layer,
    learned_start,
    lengths,
    one_step,
    packed,
    parameter,
    states,
    step_with_state,
    symbols,
    with_head,
    x,
    x_time_major,
    zero_start,
)
from torch import nn

CAUSAL: dict[str, Case] = {
    "lstm batch first": Case(layer, (x,)),
    "lstm time major": Case(lambda: layer(batch_first=False), (x_time_major,), is_time_major=True),
    "lstm without bias": Case(lambda: layer(bias=False), (x,)),
    "lstm stacked": Case(lambda: layer(num_layers=3, dropout=0.2), (x,)),
    "gru batch first": Case(lambda: layer(nn.GRU), (x,)),
    "gru time major stacked": Case(
        lambda: layer(nn.GRU, batch_first=False, num_layers=2), (x_time_major,), is_time_major=True
    ),
    "rnn tanh": Case(lambda: layer(nn.RNN), (x,)),
    "rnn relu stacked": Case(lambda: layer(nn.RNN, nonlinearity="relu", num_layers=2), (x,)),
    "state in and out": case(lambda self, x, h, c: self.r(x, (h, c)), x, *states(1)),
    "state in and out, stacked": case(
        lambda self, x, h, c: self.r(x, (h, c)), x, *states(2), parts=lambda: {"r": layer(**STACKED)}
    ),
    "state of a gru": case(
        lambda self, x, h: self.r(x, h), x, states(1)[0], parts=lambda: {"r": layer(nn.GRU)}
    ),
    "states stacked into one input": case(
        lambda self, x, hc: self.r(x, (hc[0], hc[1]))[0], x, torch.zeros(2, 1, ROWS, HIDDEN)
    ),
    "zeros as initial state": case(zero_start),
    "learned initial state": case(learned_start, parts=lambda: {"r": layer(), "s": parameter(1, 1, HIDDEN)}),
    "packed, sorted": case(
        lambda self, x, n: packed(self, x, n, enforce_sorted=True), x, descending, parts=with_head()
    ),
    "packed, unsorted, stacked": case(packed, x, lengths, parts=with_head(**STACKED)),
    "packed gru": case(packed, x, lengths, parts=with_head(kind=nn.GRU)),
    "a class for each step": case(classes, parts=with_head(**STACKED)),
    "log probabilities for each step": case(
        lambda self, x: torch.log_softmax(classes(self, x), -1), parts=with_head()
    ),
    "one number for each step": case(
        lambda self, x: self.h(self.r(x)[0]).squeeze(-1),
        parts=lambda: {"r": layer(), "h": nn.Linear(HIDDEN, 1)},
    ),
    "head on flattened rows": case(flat_head, parts=with_head()),
    "last step": case(last, parts=with_head(), is_last=True),
    "last step as a slice": case(lambda self, x: self.r(x)[0][:, -1:].squeeze(1), is_last=True),
    "last hidden state": case(
        lambda self, x: self.h(self.r(x)[1][0][-1]), parts=with_head(**STACKED), is_last=True
    ),
    "hidden states of all layers": case(
        lambda self, x: self.h(self.r(x)[1][0].permute(1, 0, 2).reshape(x.shape[0], -1)),
        parts=lambda: {"r": layer(num_layers=2), "h": head(2 * HIDDEN)},
        is_last=True,
    ),
    "last step gathered by length": case(gathered_last, x, lengths, parts=with_head(), is_last=True),
    "last step indexed by length": case(indexed_last, x, lengths, parts=with_head(), is_last=True),
    "embedding": case(
        lambda self, x: self.r(self.e(x))[0],
        symbols,
        parts=lambda: {"r": layer(), "e": nn.Embedding(SYMBOLS, FEATURES)},
    ),
    "embedding, time major": case(
        lambda self, x: self.r(self.e(x))[0],
        symbols.t().contiguous(),
        parts=lambda: {"r": layer(batch_first=False), "e": nn.Embedding(SYMBOLS, FEATURES)},
        is_time_major=True,
    ),
    "one-hot symbols": case(
        lambda self, x: self.r(nn.functional.one_hot(x, FEATURES).to(self.r.weight_ih_l0.dtype))[0],
        symbols % FEATURES,
    ),
    "normalised between layers": case(
        lambda self, x: self.q(self.n(self.r(x)[0]))[0],
        parts=lambda: {"r": layer(), "n": nn.LayerNorm(HIDDEN), "q": nn.LSTM(HIDDEN, 3, batch_first=True)},
    ),
    "batch normalisation of features": case(
        lambda self, x: self.h(self.n(self.r(x)[0].transpose(1, 2)).transpose(1, 2)),
        parts=lambda: {"r": layer(), "n": nn.BatchNorm1d(HIDDEN), "h": head()},
    ),
    "residual": case(
        lambda self, x: torch.relu(x + self.h(self.r(x)[0])),
        parts=lambda: {"r": layer(), "h": nn.Linear(HIDDEN, FEATURES)},
    ),
    "features before time": case(
        lambda self, x: self.r(x.permute(2, 0, 1))[0].permute(1, 0, 2),
        torch.randn(ROWS, FEATURES, STEPS),
        parts=lambda: {"r": layer(batch_first=False)},
        options={
            "dynamic_axes": {"x": {0: "batch", 2: "time"}},
            "to_module": lambda row: row.transpose(1, 2),
        },
    ),
    "a convolution for each frame": case(
        frames, images, parts=lambda: {"c": convolution(), "r": nn.LSTM(4, HIDDEN, batch_first=True)}
    ),
    "frames flattened at the exported size": case(
        frames_flattened,
        images,
        parts=lambda: {"c": convolution(), "r": nn.LSTM(4, HIDDEN, batch_first=True)},
    ),
    "fixed sizes": case(last, parts=with_head(), is_last=True, is_fixed=True),
    "fixed sizes written into a view": case(
        lambda self, x: self.h(self.r(x)[0].reshape(-1, HIDDEN)).view(*x.shape[:2], CLASSES),
        parts=with_head(),
        is_fixed=True,
    ),
    "one step of one row with its state": case(
        step_with_state, one_step, *states(1, rows=1), parts=with_head(), is_last=True, is_fixed=True
    ),
    "open features": case(
        classes, parts=with_head(), options={"dynamic_axes": {"x": {0: "batch", 1: "time", 2: "features"}}}
    ),
}
