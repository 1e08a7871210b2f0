"""PyTorch modules as people write them around nn.LSTM, nn.GRU and nn.RNN, to be exported and imported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

FEATURES, HIDDEN, CLASSES, SYMBOLS = 5, 6, 4, 11
ROWS, STEPS = 3, 7


class Written(nn.Module):
    """A module whose forward is a function of its parts and the inputs."""

    def __init__(self, forward: Callable, **parts: nn.Module | nn.Parameter):
        super().__init__()
        self._forward = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs: Tensor):
        return self._forward(self, *inputs)


@dataclass(frozen=True)
class Case:
    """A module, the inputs it is exported with, and what its import must be."""

    module: Callable[[], nn.Module]
    inputs: tuple[Tensor, ...]
    is_causal: bool = True
    is_last: bool = False
    is_time_major: bool = False
    is_fixed: bool = False
    options: dict = field(default_factory=dict)


def layer(kind=nn.LSTM, **options):
    return kind(FEATURES, HIDDEN, **({"batch_first": True} | options))


def head(features=HIDDEN):
    return nn.Linear(features, CLASSES)


def packed(self, x, lengths, enforce_sorted=False):
    packed_x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=enforce_sorted)
    y, _ = pad_packed_sequence(self.r(packed_x)[0], batch_first=True, total_length=x.shape[1])
    return self.h(y)


def frames(self, x):
    images = self.c(x.reshape(-1, 1, 8, 8))
    return self.r(images.reshape(x.shape[0], -1, 4))[0]


def frames_flattened(self, x):
    return self.r(self.c(x.flatten(0, 1)).unflatten(0, x.shape[:2]))[0]


def convolution():
    parts = nn.Conv2d(1, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(*parts)


def self_attention(self, x):
    y = self.r(x)[0]
    weights = torch.softmax(self.q(y) @ self.k(y).transpose(1, 2) / HIDDEN**0.5, -1)
    return weights @ y


def decoded(self, x):
    _, state = self.e(x)
    return self.d(x, state)[0]


def flipped(self, x):
    return torch.cat([self.r(x)[0], self.q(x.flip(1))[0].flip(1)], 2)


def masked_mean(self, x, lengths):
    mask = torch.arange(x.shape[1])[None] < lengths[:, None]
    return (self.r(x)[0] * mask[..., None]).sum(1) / lengths[:, None].clamp(min=1)


def masked_max(self, x, lengths):
    mask = torch.arange(x.shape[1])[None] < lengths[:, None]
    return torch.where(mask[..., None], self.r(x)[0], torch.tensor(-1e9, dtype=x.dtype)).max(1)[0]


def attention_pool(self, x):
    y = self.r(x)[0]
    return (torch.softmax(self.a(y), 1) * y).sum(1)


def query_pool(self, x):
    y, (h, _) = self.r(x)
    weights = torch.softmax(torch.bmm(y, h[-1].unsqueeze(2)).squeeze(2), 1)
    return torch.bmm(weights.unsqueeze(1), y).squeeze(1)


def learned_start(self, x):
    start = self.s.expand(1, x.shape[0], HIDDEN).contiguous()
    return self.r(x, (start, self.s.repeat(1, x.shape[0], 1)))[0]


def zero_start(self, x):
    start = x.new_zeros(1, x.shape[0], HIDDEN)
    return self.r(x, (start, start))[0]


def both_ends(self, x):
    y = self.r(x)[0]
    return torch.cat([y[:, -1, :HIDDEN], y[:, 0, HIDDEN:]], 1)


def gathered_last(self, x, lengths):
    place = (lengths - 1).view(-1, 1, 1).expand(-1, 1, HIDDEN)
    return self.h(self.r(x)[0].gather(1, place).squeeze(1))


def indexed_last(self, x, lengths):
    return self.h(self.r(x)[0][torch.arange(x.shape[0]), lengths - 1])


def flat_head(self, x):
    y = self.r(x)[0]
    return self.h(y.contiguous().view(y.size(0) * y.size(1), HIDDEN)).view(y.size(0), y.size(1), CLASSES)


def step_with_state(self, x, h, c):
    y, (h, c) = self.r(x, (h, c))
    return self.h(y.squeeze(1)), h, c


def parameter(*shape):
    return nn.Parameter(torch.randn(shape))


x = torch.randn(ROWS, STEPS, FEATURES)
x_time_major = torch.randn(STEPS, ROWS, FEATURES)
symbols = torch.randint(0, SYMBOLS, (ROWS, STEPS))
lengths = torch.tensor([5, STEPS, 2])
descending = torch.tensor([STEPS, 5, 2])
images = torch.randn(ROWS, STEPS, 1, 8, 8)
one_step = torch.randn(1, 1, FEATURES)


def states(layers, rows=ROWS):
    return torch.zeros(layers, rows, HIDDEN), torch.zeros(layers, rows, HIDDEN)


def steps(self, x):
    return self.r(x)[0]


def classes(self, x):
    return self.h(self.r(x)[0])


def last(self, x):
    return self.h(self.r(x)[0][:, -1])


def case(forward, *inputs, parts=None, **expected):
    return Case(
        lambda: Written(forward, **(parts() if parts else {"r": layer()})), inputs or (x,), **expected
    )


def with_head(**options):
    return lambda: {"r": layer(**options), "h": head(HIDDEN * (1 + options.get("bidirectional", False)))}


def pooled(forward, *inputs, **parts):
    made = (lambda: {"r": layer(), **{name: make() for name, make in parts.items()}}) if parts else None
    return case(forward, *inputs, parts=made, is_causal=False, is_last=True)


STACKED = {"num_layers": 2, "dropout": 0.3}
BOTH_WAYS = {"num_layers": 2, "bidirectional": True}
