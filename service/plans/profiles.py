"""Optimization profiles: the ranges of steps and rows that one plan is compiled for."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from service.domain.signature import Signature
from service.errors import InvalidRequest

_TEXT = re.compile(r"(\d+)(?:-(\d+)-(\d+))?:(\d+)-(\d+)-(\d+)")

# Below this a longer bucket costs no more than a shorter one: the kernels' launches take the time.
_SHORTEST_BUCKET = 16
# A handful of examples says little about how long sequences get, so the buckets go on for two doublings.
_FEW_LENGTHS = 32
_SPARE_DOUBLINGS = 2
_COMMON_LENGTHS = (16, 64)
# The net reaches this many times further than the longest bucket; its activation memory grows with it.
_NET_REACH = 4
# TensorRT addresses a tensor with 31 bits; the shortest bucket, filled with single steps, is the largest.
_MOST_ELEMENTS = 1 << 31


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """The least, the usual (what kernels are tuned for) and the most of something; all inclusive."""

    least: int
    usual: int
    most: int

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.usual <= self.most:
            raise InvalidRequest(
                f"profile: expected 1 <= least <= usual <= most, got {self.least}-{self.usual}-{self.most}"
            )

    def __contains__(self, value: int) -> bool:
        return self.least <= value <= self.most

    def __str__(self) -> str:
        return f"{self.least}-{self.usual}-{self.most}"


@dataclass(frozen=True, slots=True, order=True)
class Profile:
    """Steps and rows a plan can run. Only with a fixed number of steps can a CUDA graph be captured."""

    steps: Range
    rows: Range

    @property
    def is_fixed(self) -> bool:
        return self.steps.least == self.steps.most

    def takes(self, steps: int, rows: int) -> bool:
        """Whether a batch fits: a fixed profile takes any shorter batch, padded to its length."""
        return (steps <= self.steps.most if self.is_fixed else steps in self.steps) and rows in self.rows

    def __str__(self) -> str:
        return f"{self.steps.least if self.is_fixed else self.steps}:{self.rows}"


Profiles: TypeAlias = tuple[Profile, ...]
"""Fixed profiles by rising length, then the one with dynamic time that takes whatever no other does."""


@dataclass(frozen=True, slots=True)
class BatchBounds:
    """The largest batch: most rows, most padded steps, most rows x padded steps (a row alone may pass)."""

    rows: int = 1024
    steps: int = 32_768
    row_steps: int = 32_768


def parse_profile(text: str) -> Profile:
    """`steps:rows` as `32:1-16-64` or `1-64-4096:1-16-64`; raises InvalidRequest."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise InvalidRequest(f"profile: expected like 32:1-16-64 or 1-64-4096:1-16-64, got {text!r}")
    least, usual, most, *rows = (int(number) if number else None for number in match.groups())
    steps = Range(least or 0, usual or least or 0, most or least or 0)
    return Profile(steps, Range(*(int(number or 0) for number in rows)))


def in_order(profiles: Sequence[Profile]) -> Profiles:
    """Without duplicates: the fixed ones by rising length, then those with dynamic time."""
    return tuple(sorted(set(profiles), key=lambda profile: (not profile.is_fixed, profile)))


def profiles_for(signature: Signature, lengths: Sequence[int], given: Sequence[str] = ()) -> Profiles:
    """Those given as text, else those chosen for a sample of lengths (none known: from 16 to 256 steps)."""
    if given:
        profiles = in_order([parse_profile(text) for text in given])
        for profile in profiles:
            _check_size(profile, signature)
        return profiles
    return choose_profiles(lengths or _COMMON_LENGTHS, bounds_of(signature), signature.is_causal)


def bounds_of(signature: Signature) -> BatchBounds:
    """The default bounds, lowered where a step is so wide that a tensor would pass 2^31 elements."""
    standard = BatchBounds()
    row_steps = min(standard.row_steps, _MOST_ELEMENTS // (_SHORTEST_BUCKET * _widest(signature)))
    return BatchBounds(min(standard.rows, row_steps), standard.steps, row_steps)


def _widest(signature: Signature) -> int:
    """The numbers of one row and step in the widest tensor, as far as the signature tells."""
    gates = [4 * math.prod(state.shape) for state in signature.states]
    return max(math.prod(signature.step_shape), math.prod(signature.output_shape), *gates, 1)


def _check_size(profile: Profile, signature: Signature) -> None:
    """TensorRT does not refuse what is too large for it without a GPU: its sizes wrap round."""
    widest = _widest(signature)
    elements = profile.steps.most * profile.rows.most * widest
    if elements >= _MOST_ELEMENTS:
        most = _MOST_ELEMENTS // (profile.steps.most * widest)
        raise InvalidRequest(
            f"profile {profile}: its largest batch has {elements:,} numbers, TensorRT counts to 2^31; "
            f"at {profile.steps.most} steps at most {most} rows are possible"
        )


def choose_profiles(lengths: Sequence[int], bounds: BatchBounds, is_causal: bool) -> Profiles:
    """A step profile to stream, fixed buckets in powers of two over the lengths met, and the net underneath.

    `lengths` are a sample of real sequence lengths (a bundle's golden vectors, or what was served);
    the longest and the shortest twentieth of a large sample have no bucket of their own. Every batch
    within `bounds` whose steps the net reaches is taken whole by some profile.
    """
    if not lengths or min(lengths) < 1:
        raise InvalidRequest(
            "lengths: expected at least one length of 1 or more steps to choose profiles from"
        )
    buckets = _buckets(sorted(lengths), bounds.steps)
    shorter = [0, *buckets[:-1]]
    fixed = [
        _profile(steps, steps, steps, _most_rows(bounds, below))
        for below, steps in zip(shorter, buckets, strict=True)
    ]
    stream = [_profile(1, 1, 1, _most_rows(bounds, 0))] if is_causal and buckets[0] > 1 else []
    return (*stream, *fixed, _net(buckets[-1], bounds))


def profile_for(profiles: Profiles, steps: int, rows: int) -> int | None:
    """The index of the profile to run a batch with; None where no profile takes it.

    A bucket adds fewer than `steps` padded steps, or pads to at most 16; a batch that is too short for
    that goes to the net. Where the net has too few rows, the shortest bucket that takes it does.
    """
    taking = [index for index, profile in enumerate(profiles) if profile.takes(steps, rows)]
    near = [index for index in taking if _is_near(profiles[index], steps)]
    dynamic = [index for index in taking if not profiles[index].is_fixed]
    return min(near or dynamic or taking, key=lambda index: profiles[index].steps.most, default=None)


def _is_near(profile: Profile, steps: int) -> bool:
    return profile.is_fixed and profile.steps.most < max(2 * steps, _SHORTEST_BUCKET + 1)


def _buckets(lengths: Sequence[int], most: int) -> list[int]:
    """Doubling over the lengths met; below them quadrupling, for the odd short batch of very many rows."""
    spare = len(lengths) // 20
    shortest, longest = _power_of_two(lengths[spare]), _power_of_two(lengths[-1 - spare])
    if len(lengths) < _FEW_LENGTHS:
        longest <<= _SPARE_DOUBLINGS
    buckets = [min(_SHORTEST_BUCKET, most)]
    while buckets[-1] < min(longest, most):
        last = buckets[-1]
        buckets.append(min(4 * last, shortest, most) if last < shortest else min(2 * last, most))
    return buckets


def _net(longest_bucket: int, bounds: BatchBounds) -> Profile:
    most = min(bounds.steps, _NET_REACH * longest_bucket)
    return _profile(1, min(longest_bucket, most), most, _most_rows(bounds, longest_bucket))


def _most_rows(bounds: BatchBounds, shorter: int) -> int:
    """What comes here is longer than `shorter`, so the bound on rows x steps leaves so many rows."""
    return max(1, min(bounds.rows, bounds.row_steps // (shorter + 1)))


def _profile(least: int, usual: int, most: int, rows: int) -> Profile:
    return Profile(Range(least, usual, most), Range(1, (rows + 1) // 2, rows))


def _power_of_two(length: int) -> int:
    return 1 << (length - 1).bit_length()
