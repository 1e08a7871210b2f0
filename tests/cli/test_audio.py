"""WAV files become the steps the `digits` model was trained on."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from cli.audio import RATE_HZ, UnusableAudio, mfcc, read_wav

# librosa 0.11.0 in float64: melspectrogram(sr=8000, n_fft=400, hop_length=200, n_mels=128, htk=True,
# norm=None), power_to_db(top_db=80) and an orthonormal DCT-II, of the chirp below.
LIBROSA = {
    0: "-79.1471 157.7595 41.1419 12.8391 -2.7591 -11.391 -14.3748"
    " -14.9451 -12.6745 -9.7319 -5.8567 -2.5119 0.5279",
    10: "-439.0675 18.644 -103.9189 -50.8255 79.4989 69.8392 -47.9047"
    " -72.9277 18.2985 63.0437 2.8501 -46.5745 -13.6968",
    20: "-128.5365 -44.2944 -51.0384 46.2792 -11.9061 -25.0123 23.2096"
    " -2.2867 -19.133 14.1741 2.504 -16.4524 8.853",
}


def chirp() -> np.ndarray:
    seconds = np.arange(4000) / RATE_HZ
    return 0.5 * np.sin(2 * np.pi * (200 * seconds + 1500 * seconds**2))


def write_wav(path: Path, content: bytes, width: int = 2, channels: int = 1, rate: int = RATE_HZ) -> Path:
    with wave.open(str(path), "wb") as recording:
        recording.setnchannels(channels)
        recording.setsampwidth(width)
        recording.setframerate(rate)
        recording.writeframes(content)
    return path


def integers(samples: np.ndarray, width: int) -> bytes:
    """Little-endian PCM as the format defines it, one sample at a time; 8 bit is unsigned."""
    full = 1 << (8 * width - 1)
    whole = [round(sample * (full - 1)) for sample in samples]
    if width == 1:
        return bytes(value + 128 for value in whole)
    return b"".join(value.to_bytes(width, "little", signed=True) for value in whole)


@pytest.mark.parametrize("step", LIBROSA)
def test_the_coefficients_are_those_of_librosa(step: int) -> None:
    np.testing.assert_allclose(mfcc(chirp())[step], np.array(LIBROSA[step].split(), float), rtol=0, atol=2e-3)


def test_a_step_begins_every_25_milliseconds() -> None:
    assert mfcc(chirp()).shape == (21, 13)
    assert mfcc(chirp()[:3999]).shape == (20, 13)
    assert mfcc(chirp()).dtype == np.float32


def test_silence_has_finite_coefficients() -> None:
    assert np.isfinite(mfcc(np.zeros(1000))).all()


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_every_sample_width_gives_the_same_waveform(tmp_path: Path, width: int) -> None:
    path = write_wav(tmp_path / "chirp.wav", integers(chirp(), width), width)
    np.testing.assert_allclose(read_wav(path), chirp(), rtol=0, atol=2.0 ** (1 - 8 * width) * 1.5)


def test_two_channels_become_their_mean(tmp_path: Path) -> None:
    both = np.stack([chirp(), np.zeros(4000)], axis=1).ravel()
    path = write_wav(tmp_path / "stereo.wav", integers(both, 2), channels=2)
    np.testing.assert_allclose(read_wav(path), chirp() / 2, rtol=0, atol=1e-4)


def test_another_sampling_rate_is_refused_with_the_right_one(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "fast.wav", integers(chirp(), 2), rate=44100)
    with pytest.raises(UnusableAudio, match="44100 samples per second; the model hears 8000"):
        read_wav(path)


def test_more_than_two_channels_are_refused(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "three.wav", bytes(600), channels=3)
    with pytest.raises(UnusableAudio, match="3 channels; it must have 1 or 2"):
        read_wav(path)


@pytest.mark.parametrize("content", [b"", b"no audio at all", b"RIFF\x24\x00\x00\x00WAVEfmt "])
def test_a_file_that_is_no_wav_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(content)
    with pytest.raises(UnusableAudio, match="not a PCM WAV file"):
        read_wav(path)


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros(200), np.zeros((1000, 2))])
def test_too_few_samples_or_two_rows_of_them_are_refused(samples: np.ndarray) -> None:
    with pytest.raises(UnusableAudio, match="give one row of more than 200"):
        mfcc(samples)
