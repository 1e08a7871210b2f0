"""Modules that look ahead: backward layers, pooling, attention. Their imports have no states."""

from __future__ import annotations

import torch
from onnx_import_torch_modules import (
    BOTH_WAYS,
    HIDDEN,
    Case,
    attention_pool,
    both_ends,
    case,
    classes,
    decoded,
    flipped,
    last,
    layer,
    lengths,
    masked_max,
    masked_mean,
    packed,
    parameter,
    pooled,
    query_pool,
    self_attention,
    states,
    with_head,
    x,
    x_time_major,
)
from torch import nn
from torch.nn.functional import adaptive_avg_pool1d, adaptive_max_pool1d

AHEAD: dict[str, Case] = {
    "lstm bidirectional stacked": Case(lambda: layer(**BOTH_WAYS), (x,), is_causal=False),
    "lstm bidirectional time major": Case(
        lambda: layer(batch_first=False, **BOTH_WAYS), (x_time_major,), is_causal=False, is_time_major=True
    ),
    "gru bidirectional": Case(lambda: layer(nn.GRU, **BOTH_WAYS), (x,), is_causal=False),
    "rnn bidirectional": Case(lambda: layer(nn.RNN, bidirectional=True), (x,), is_causal=False),
    "state in and out, bidirectional": case(
        lambda self, x, h, c: self.r(x, (h, c)),
        x,
        *states(4),
        parts=lambda: {"r": layer(**BOTH_WAYS)},
        is_causal=False,
    ),
    "learned initial state, bidirectional": case(
        lambda self, x: self.r(x, self.s.expand(2, x.shape[0], HIDDEN).contiguous())[0],
        parts=lambda: {"r": layer(nn.GRU, bidirectional=True), "s": parameter(2, 1, HIDDEN)},
        is_causal=False,
    ),
    "packed, unsorted, bidirectional": case(
        packed, x, lengths, parts=with_head(**BOTH_WAYS), is_causal=False
    ),
    "last step of both directions": case(
        last, parts=with_head(bidirectional=True), is_causal=False, is_last=True
    ),
    "hidden states viewed by layer": case(
        lambda self, x: self.r(x)[1][0].view(2, 2, -1, HIDDEN)[-1].mean(0),
        parts=lambda: {"r": layer(**BOTH_WAYS)},
        is_causal=False,
        is_last=True,
    ),
    "both final states joined": case(
        lambda self, x: self.h(torch.cat([*self.r(x)[1][0][-2:]], 1)),
        parts=with_head(bidirectional=True),
        is_causal=False,
        is_last=True,
    ),
    "both ends of both directions": case(
        both_ends, parts=lambda: {"r": layer(bidirectional=True)}, is_causal=False, is_last=True
    ),
    "first step": pooled(lambda self, x: self.r(x)[0][:, 0]),
    "mean over time": pooled(lambda self, x: self.r(x)[0].mean(1)),
    "mean over time and features": pooled(lambda self, x: self.r(x)[0].mean((1, 2))),
    "sum divided by the number of steps": pooled(lambda self, x: self.r(x)[0].sum(1) / x.shape[1]),
    "largest over time": pooled(lambda self, x: self.r(x)[0].amax(1)),
    "pooled by a layer": pooled(
        lambda self, x: torch.cat(
            [
                f(self.r(x)[0].transpose(1, 2), 1).squeeze(-1)
                for f in (adaptive_avg_pool1d, adaptive_max_pool1d)
            ],
            1,
        )
    ),
    "mean, largest and last": pooled(
        lambda self, x: torch.cat([self.r(x)[0].mean(1), self.r(x)[0].max(1)[0], self.r(x)[0][:, -1]], 1)
    ),
    "mean by mask": pooled(masked_mean, x, lengths),
    "largest by mask": pooled(masked_max, x, lengths),
    "attention by weights": pooled(attention_pool, a=lambda: nn.Linear(HIDDEN, 1)),
    "attention by the last state": pooled(query_pool),
    "attention between steps": case(
        self_attention,
        parts=lambda: {"r": layer(), "q": nn.Linear(HIDDEN, HIDDEN), "k": nn.Linear(HIDDEN, HIDDEN)},
        is_causal=False,
    ),
    "attention of many heads": case(
        lambda self, x: self.a(self.r(x)[0], self.r(x)[0], self.r(x)[0])[0],
        parts=lambda: {"r": layer(), "a": nn.MultiheadAttention(HIDDEN, 2, batch_first=True)},
        is_causal=False,
    ),
    "softmax over time": case(lambda self, x: torch.softmax(self.r(x)[0], 1), is_causal=False),
    "centred over time": case(lambda self, x: self.r(x - x.mean(1, keepdim=True))[0], is_causal=False),
    "positions added": case(
        lambda self, x: self.r(x + torch.arange(x.shape[1])[None, :, None] * 0.1)[0], is_causal=False
    ),
    "encoder and decoder": case(decoded, parts=lambda: {"e": layer(), "d": layer()}, is_causal=False),
    "both directions by flipping": case(flipped, parts=lambda: {"r": layer(), "q": layer()}, is_causal=False),
    "fixed sizes, bidirectional, each step": case(
        classes, parts=with_head(**BOTH_WAYS), is_causal=False, is_fixed=True
    ),
}
