"""How an LSTM's weights start, so that it remembers from the first step of training."""

from __future__ import annotations

from torch import Tensor, nn

_GATES = 4


def start_remembering(cell: nn.LSTM) -> None:
    """Recurrent gates turn the last output without shrinking it, and the forget gate stands open."""
    for name, weight in cell.named_parameters():
        if name.startswith("weight_hh"):
            start_orthogonal(weight)
        elif name.startswith("bias"):
            nn.init.zeros_(weight)
        if name == "bias_ih_l0":
            _, forget, _, _ = weight.data.chunk(_GATES)
            nn.init.ones_(forget)


def start_orthogonal(recurrent: Tensor) -> None:
    """Each of the gates that lie on top of each other in `[4 * hidden, hidden]` becomes a rotation."""
    for gate in recurrent.data.chunk(_GATES):
        nn.init.orthogonal_(gate)
