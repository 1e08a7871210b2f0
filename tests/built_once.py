"""A plan that several tests build alike is built for the first of them: each takes TensorRT half a second."""

from __future__ import annotations

from typing import Any

import pytest

from service.domain.signature import Signature
from service.plans import builder
from service.plans.flavour import Flavour
from service.plans.progress import OnProgress
from service.plans.request import BuildRequest

_BUILT: dict[Any, tuple[bytes, dict[str, str]]] = {}


def build_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the end of the test, hand out what the same graph and request gave before; refusals come anew."""
    compiled = builder._compile

    def first(
        graph: bytes, signature: Signature, request: BuildRequest, flavour: Flavour, on_progress: OnProgress
    ) -> tuple[bytes, dict[str, str]]:
        asked = (graph, request.profiles, request.memory_bytes, request.targets, flavour.name)
        if asked not in _BUILT:
            _BUILT[asked] = compiled(graph, signature, request, flavour, on_progress)
        return _BUILT[asked]

    monkeypatch.setattr(builder, "_compile", first)


def build_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the end of the test, one plan stands for all: what the test looks at is not in them."""
    compiled = builder._compile
    kept: list[tuple[bytes, dict[str, str]]] = []

    def first(*given: Any) -> tuple[bytes, dict[str, str]]:
        if not kept:
            kept.append(compiled(*given))
        return kept[0]

    monkeypatch.setattr(builder, "_compile", first)
