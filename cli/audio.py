"""Spoken audio as the steps of the `digits` model: WAV files to mel-frequency cepstral coefficients."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 8000
COEFFICIENTS = 13

_WINDOW = 400
_HOP = 200
_MEL_BANDS = 128
_SMALLEST_POWER = 1e-10
_RANGE_DB = 80.0


class UnusableAudio(ValueError):
    """A recording that cannot become steps; the message says what would be right."""


def read_wav(path: Path) -> NDArray[np.float64]:
    """Samples from -1 to 1 of a PCM file at 8 kHz; two channels become their mean."""
    try:
        with wave.open(str(path), "rb") as recording:
            rate, channels, width = (
                recording.getframerate(),
                recording.getnchannels(),
                recording.getsampwidth(),
            )
            content = recording.readframes(recording.getnframes())
    except (wave.Error, EOFError) as failure:
        reason = str(failure) or "it ends too early"
        raise UnusableAudio(f"{path}: not a PCM WAV file: {reason}; save it as 16 bit PCM") from failure
    if rate != RATE_HZ:
        raise UnusableAudio(
            f"{path}: {rate} samples per second; the model hears {RATE_HZ}, so resample it first"
        )
    if channels not in (1, 2):
        raise UnusableAudio(f"{path}: {channels} channels; it must have 1 or 2")
    if width not in (1, 2, 3, 4):
        raise UnusableAudio(f"{path}: {8 * width} bits per sample; it must have 8, 16, 24 or 32")
    together: NDArray[np.float64] = _samples(content, width).reshape(-1, channels).mean(axis=1)
    return together


def mfcc(samples: NDArray[np.float64]) -> NDArray[np.float32]:
    """`samples [n]` at 8 kHz to `[1 + n // 200, 13]`, one step every 25 ms, as the training data was made.

    Hann windows of 400 samples around each step, 128 mel bands (HTK scale, not normalised by area),
    decibels no more than 80 below the loudest, the first 13 terms of an orthonormal DCT-II.
    """
    if samples.ndim != 1 or len(samples) <= _WINDOW // 2:
        raise UnusableAudio(f"samples of shape {samples.shape}; give one row of more than {_WINDOW // 2}")
    around = np.pad(samples, _WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(around, _WINDOW)[::_HOP]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)
    power = np.abs(np.fft.rfft(frames * hann)) ** 2
    decibels = 10 * np.log10(np.maximum(power @ _mel_bands(), _SMALLEST_POWER))
    heard = np.maximum(decibels, decibels.max() - _RANGE_DB)
    steps: NDArray[np.float32] = (heard @ _cosines()).astype(np.float32)
    return steps


def _samples(content: bytes, width: int) -> NDArray[np.float64]:
    """Little-endian integers of `width` bytes as fractions of their full scale; 8 bit ones are unsigned."""
    if width == 1:
        return (np.frombuffer(content, np.uint8).astype(np.float64) - 128) / 128
    # Every width is read as 32 bit: its bytes are the highest ones, the rest is zero.
    widened = np.zeros((len(content) // width, 4), np.uint8)
    widened[:, 4 - width :] = np.frombuffer(content, np.uint8).reshape(-1, width)
    return widened.view("<i4")[:, 0].astype(np.float64) / 2**31


def _mel_bands() -> NDArray[np.float64]:
    """Triangles over the spectrum, `[frequencies, bands]`, evenly spaced in mel."""
    highest = 2595 * np.log10(1 + RATE_HZ / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, highest, _MEL_BANDS + 2) / 2595) - 1)
    frequencies = np.linspace(0, RATE_HZ / 2, _WINDOW // 2 + 1)[:, None]
    widths = np.diff(corners)
    rising = (frequencies - corners[:-2]) / widths[:-1]
    falling = (corners[2:] - frequencies) / widths[1:]
    return np.maximum(0.0, np.minimum(rising, falling))


def _cosines() -> NDArray[np.float64]:
    """The orthonormal DCT-II from bands to coefficients, `[bands, coefficients]`."""
    band, order = np.arange(_MEL_BANDS)[:, None], np.arange(COEFFICIENTS)
    cosines: NDArray[np.float64] = np.cos(np.pi * order * (2 * band + 1) / (2 * _MEL_BANDS)) * np.sqrt(
        2 / _MEL_BANDS
    )
    cosines[:, 0] /= np.sqrt(2)
    return cosines
