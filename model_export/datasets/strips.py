"""Handwritten digit strips: MNIST images set side by side, as numbers are written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model_export.datasets.vendored_files import read_npz
from service.domain.tensors import Array

HEIGHT = 28

_TRAINING_IMAGES = 6000
_VALIDATION_IMAGES = 600
_FEWEST, _MOST = 3, 8
_GAPS = (-1, 5)
_DROPS = (-2, 2)
_MARGINS = (1, 6)


@dataclass(frozen=True, slots=True)
class Digits:
    """Single digits: `images [count, 28, 28]` with ink from 0 to 1, and `labels [count]`."""

    images: Array
    labels: Array


@dataclass(frozen=True, slots=True)
class Strip:
    """A written number: `columns [width, 28]`, each from top to bottom, and the `digits` it shows."""

    columns: Array
    digits: Array


def load_digits() -> tuple[Digits, Digits, Digits]:
    """Training, validation and test images; the test images were written by other people."""
    archive = read_npz("mnist_7000_4bit.npz.xz")
    images = (archive["x"].astype(np.float32) / 15).reshape(-1, HEIGHT, HEIGHT)
    labels = archive["y"].astype(np.int64)
    first = _TRAINING_IMAGES - _VALIDATION_IMAGES
    parts = (slice(first), slice(first, _TRAINING_IMAGES), slice(_TRAINING_IMAGES, None))
    training, validation, test = (Digits(images[part], labels[part]) for part in parts)
    return training, validation, test


def compose(digits: Digits, count: int, rng: np.random.Generator) -> list[Strip]:
    """Strips of 3 to 8 digits drawn at random; the same generator state gives the same strips."""
    return [_strip(digits, rng) for _ in range(count)]


def _strip(digits: Digits, rng: np.random.Generator) -> Strip:
    """Neighbours keep a distance, touch, or overlap by up to two columns, and stand a little high or low."""
    chosen = rng.integers(len(digits.labels), size=rng.integers(_FEWEST, _MOST + 1))
    glyphs = [_ink(digits.images[index]) for index in chosen]
    widths = np.array([glyph.shape[1] for glyph in glyphs])
    gaps = rng.integers(_GAPS[0], _GAPS[1] + 1, size=len(glyphs))
    before, after = rng.integers(_MARGINS[0], _MARGINS[1] + 1, size=2)
    starts = before + np.concatenate([[0], np.cumsum(widths + gaps)[:-1]])
    canvas = np.zeros((HEIGHT, starts[-1] + widths[-1] + after), np.float32)
    for glyph, start in zip(glyphs, starts, strict=True):
        place = canvas[:, start : start + glyph.shape[1]]
        drop = rng.integers(_DROPS[0], _DROPS[1] + 1)
        np.maximum(place, np.roll(glyph, drop, axis=0), out=place)
    return Strip(np.ascontiguousarray(canvas.T), digits.labels[chosen])


def _ink(image: Array) -> Array:
    """The image without its empty columns left and right."""
    columns = np.flatnonzero(image.any(axis=0))
    return image[:, columns[0] : columns[-1] + 1]
