"""Japanese Vowels: nine men say /ae/, 12 cepstral coefficients per step; who is speaking?"""

from __future__ import annotations

import numpy as np

from model_export.datasets.utterances import UtteranceData, utterances
from model_export.datasets.vendored_files import read_npz

FEATURES = 12
SPEAKERS = 9

_PER_SPEAKER = 30
_VALIDATION_PER_SPEAKER = 6


def load_vowels() -> UtteranceData:
    """The official split; validation is the last six of each speaker's 30 training utterances."""
    archive = read_npz("japanese_vowels.npz.xz")
    training, test = (
        utterances(archive[f"X{part}"], archive[f"n{part}"], archive[f"y{part}"] - 1)
        for part in ("TRAIN", "TEST")
    )
    is_validation = np.arange(len(training.labels)) % _PER_SPEAKER >= _PER_SPEAKER - _VALIDATION_PER_SPEAKER
    return UtteranceData(
        training.part(np.flatnonzero(~is_validation)), training.part(np.flatnonzero(is_validation)), test
    )
