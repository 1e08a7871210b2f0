"""PyTorch in double precision, one unpadded sequence at a time: what an import is measured against."""

from __future__ import annotations

import torch


def alone(case, module, sequence):
    """PyTorch's answer to one unpadded sequence, in double precision."""
    row = torch.from_numpy(sequence)
    row = (row.double() if row.is_floating_point() else row).unsqueeze(1)
    row = row if case.is_time_major else row.transpose(0, 1)
    row = case.options.get("to_module", lambda same: same)(row)
    if case.is_fixed and case.inputs[0].shape[1] == 1:
        return step_by_step(case, module, row)
    others = [beside(given, len(sequence)) for given in case.inputs[1:]]
    with torch.no_grad():
        answer = module(row, *others)
    answer = answer[0] if isinstance(answer, tuple) else answer
    return answer.numpy()[0] if case.is_last or not case.is_time_major else answer.numpy()[:, 0]


def beside(given, length):
    """A fresh state for one row, or its length."""
    if not given.is_floating_point():
        return torch.tensor([length])
    return torch.zeros([*given.shape[:-2], 1, given.shape[-1]], dtype=torch.float64)


def step_by_step(case, module, row):
    states = [given.double() for given in case.inputs[1:]]
    with torch.no_grad():
        for step in row.split(1, dim=1):
            answer, *states = module(step, *states)
    return answer.numpy()[0]
