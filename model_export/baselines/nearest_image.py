"""Reads a strip without a network: cut at empty columns, and for each piece the nearest known image."""

from __future__ import annotations

import numpy as np

from model_export.datasets.strips import HEIGHT, Digits, Strip
from service.domain.tensors import Array


def nearest_texts(known: Digits, strips: list[Strip]) -> list[Array]:
    """One label per piece of each strip, that of the known image with the nearest pixels."""
    cut = [_pieces(strip.columns) for strip in strips]
    pieces = np.stack([piece for pieces in cut for piece in pieces])
    labels = known.labels[_nearest(_framed(known.images), pieces)]
    return np.split(labels, np.cumsum([len(pieces) for pieces in cut])[:-1])


def _pieces(columns: Array) -> list[Array]:
    """Runs of columns with ink, each in a frame of its own."""
    has_ink = np.concatenate([[False], columns.any(axis=1), [False]])
    borders = np.flatnonzero(has_ink[1:] != has_ink[:-1])
    runs = zip(borders[::2], borders[1::2], strict=True)
    return [_in_frame(columns[start:end].T) for start, end in runs]


def _framed(images: Array) -> Array:
    return np.stack([_in_frame(image[:, image.any(axis=0)]) for image in images])


def _in_frame(ink: Array) -> Array:
    """`[HEIGHT, any width]` in the middle of a square; what is wider than the square is cut off."""
    ink = ink[:, :HEIGHT]
    frame = np.zeros((HEIGHT, HEIGHT), np.float32)
    left = (HEIGHT - ink.shape[1]) // 2
    frame[:, left : left + ink.shape[1]] = ink
    return frame.ravel()


def _nearest(known: Array, asked: Array) -> Array:
    """Indices of the known vectors with the smallest Euclidean distance."""
    closeness = asked @ known.T - (known**2).sum(axis=1) / 2
    nearest: Array = closeness.argmax(axis=1)
    return nearest
