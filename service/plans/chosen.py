"""Which profiles a bundle's plans have: those somebody built it with, else those its examples suggest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson

from service.domain.signature import Signature
from service.errors import InvalidRequest
from service.plans.atomic_files import read_regular, write_atomically
from service.plans.cache import PlanCache, PlanNotStored
from service.plans.profiles import Profiles, in_order, parse_profile, profiles_for

_LARGEST = 1 << 16


def remember(cache: PlanCache, onnx_sha256: str, profiles: Profiles) -> None:
    """Keep profiles that were given for a graph, for the server and later builds; raises PlanNotStored."""
    path = _path(cache, onnx_sha256)
    try:
        cache.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, orjson.dumps([str(profile) for profile in profiles]))
    except OSError as failure:
        raise PlanNotStored(f"{path}: {failure.strerror or failure}") from failure


def profiles_of(
    cache: PlanCache,
    onnx_sha256: str,
    signature: Signature,
    lengths: Sequence[int],
    given: Sequence[str] = (),
) -> Profiles:
    """Those given, else those remembered for this graph, else those chosen for a sample of lengths."""
    return (not given and _remembered(cache, onnx_sha256)) or profiles_for(signature, lengths, given)


def _remembered(cache: PlanCache, onnx_sha256: str) -> Profiles | None:
    """None where nothing was given, or what is there cannot be read: then the default is as good."""
    try:
        texts = orjson.loads(read_regular(_path(cache, onnx_sha256), _LARGEST))
        return in_order([parse_profile(str(text)) for text in texts])
    except (OSError, ValueError, TypeError, InvalidRequest):
        return None


def _path(cache: PlanCache, onnx_sha256: str) -> Path:
    return cache.folder / f"{onnx_sha256[:32]}.profiles"
