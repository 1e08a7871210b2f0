"""The truth that artefacts are compared with: the PyTorch network in float64, one sequence at a time."""

from __future__ import annotations

import copy

import numpy as np
import torch

from model_export.networks.network import SequenceNetwork
from model_export.parity import Reference
from service.domain.signature import Readout
from service.domain.tensors import Array


def float64_reference(network: SequenceNetwork, readout: Readout) -> Reference:
    """The network in double precision; nothing is padded, so no masking can be at fault."""
    exact = copy.deepcopy(network).cpu().double().eval()

    def reference(sequence: Array) -> tuple[Array, tuple[Array, ...]]:
        steps = torch.from_numpy(np.ascontiguousarray(sequence[:, np.newaxis]))
        if steps.is_floating_point():
            steps = steps.double()
        with torch.no_grad():
            output, states = exact(steps, torch.tensor([len(sequence)]))
        row = output[:, 0] if readout is Readout.EVERY_STEP else output[0]
        return row.numpy(), tuple(state[0].numpy() for state in states)

    return reference
