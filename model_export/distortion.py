"""Draws images again as another hand would: turned, slanted, stretched, bent, fainter or darker."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

from service.domain.tensors import Array

_TURN = 0.15
_SLANT = 0.25
_STRETCH = 0.15
_BEND = 0.12
_BEND_POINTS = 5
_INK = 0.3
_FAINTEST = 0.04


def distorted(images: Array, seed: int) -> Array:
    """`images [count, height, width]` with ink from 0 to 1, each under a random distortion of its own."""
    random = torch.Generator().manual_seed(seed)
    ink = torch.from_numpy(images).unsqueeze(1)
    grid = affine_grid(_affine(len(images), random), list(ink.shape), align_corners=False)
    coarse = _uniform((len(images), 2, _BEND_POINTS, _BEND_POINTS), _BEND, random)
    bend = interpolate(coarse, ink.shape[2:], mode="bicubic", align_corners=False)
    drawn = grid_sample(ink, grid + bend.permute(0, 2, 3, 1), align_corners=False).squeeze(1)
    inked = (drawn * (1 + _uniform((len(images), 1, 1), _INK, random))).clamp(0, 1)
    # Interpolation leaves a haze around the strokes, which would count as ink.
    result: Array = np.where(inked < _FAINTEST, 0, inked).astype(np.float32)
    return result


def _affine(count: int, random: torch.Generator) -> Tensor:
    """Rotation, slant and stretch as matrices `[count, 2, 3]`."""
    turn, slant = (_uniform((count,), limit, random) for limit in (_TURN, _SLANT))
    wide, high = (1 + _uniform((count,), _STRETCH, random) for _ in range(2))
    none = torch.zeros(count)
    across = torch.stack([wide * turn.cos(), slant - turn.sin(), none], dim=1)
    down = torch.stack([turn.sin(), high * turn.cos(), none], dim=1)
    return torch.stack([across, down], dim=1)


def _uniform(shape: tuple[int, ...], limit: float, random: torch.Generator) -> Tensor:
    return (2 * torch.rand(shape, generator=random) - 1) * limit
