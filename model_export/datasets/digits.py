"""Spoken digits: "zero" to "nine" in English, 13 mel-frequency cepstral coefficients per 25 ms."""

from __future__ import annotations

import numpy as np

from model_export.datasets.utterances import UtteranceData, utterances
from model_export.datasets.vendored_files import read_npz

FEATURES = 13
DIGITS = 10

_VALIDATION = 150
_SEED = 0


def load_digits() -> UtteranceData:
    """A seeded random half is the test; the file has no speaker ids, so voices are in both halves."""
    archive = read_npz("fsdd_mfcc_f16.npz.xz")
    recordings = utterances(archive["X"], archive["n"], archive["y"])
    order = np.random.default_rng(_SEED).permutation(len(recordings.labels))
    half = len(order) // 2
    return UtteranceData(
        training=recordings.part(order[half + _VALIDATION :]),
        validation=recordings.part(order[half : half + _VALIDATION]),
        test=recordings.part(order[:half]),
    )
