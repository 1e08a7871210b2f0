"""A convolution over height and time in which padding stays silent."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from model_export.graph_writer import GraphWriter


class ColumnConvolution(nn.Module):
    """3 x 3, batch normalisation, ReLU; the height shrinks by `stride`, the time stays.

    Its window looks `dilation` steps past a row's end. There it must meet zeros, as at the end of an
    unpadded row, so every output past the end is silenced: the bias alone would make it speak.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(
            inputs,
            outputs,
            kernel_size=3,
            stride=(stride, 1),
            padding=(1, dilation),
            dilation=(1, dilation),
            bias=False,
        )
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor, own: Tensor) -> Tensor:
        """`x [batch, inputs, height, time]` to `[batch, outputs, …]`; `own` is `[batch, 1, 1, time]`."""
        y = torch.relu(self.norm(self.convolution(x)))
        return y.masked_fill(~own, 0.0)

    def write(self, graph: GraphWriter, x: str, own: str) -> str:
        """One Conv node: the normalisation is multiplied into its weights."""
        fused = fuse_conv_bn_eval(self.convolution, self.norm)
        height, time = 1, fused.dilation[1]
        weight, bias = (parameter.detach().cpu().numpy() for parameter in fused.parameters())
        y = graph.node(
            "Conv",
            x,
            graph.constant(weight, "weight"),
            graph.constant(bias, "bias"),
            kernel_shape=[3, 3],
            pads=[height, time, height, time],
            strides=list(fused.stride),
            dilations=list(fused.dilation),
        )
        return graph.node("Where", own, graph.node("Relu", y), graph.constant(0.0, "silence"))
