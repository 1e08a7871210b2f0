"""The server as it is installed, serving one of the bundles that come with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from carousel_process import CarouselProcess

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Addresses:
    """`host:port` of a running server's two doors, and the number of its process."""

    http: str
    grpc: str
    process: int


# Others' tests may run before the session ends.
_LONGEST_LIFE_S = 1800.0


@pytest.fixture(scope="session")
def server() -> Iterator[Addresses]:
    with CarouselProcess(
        ROOT / "models",
        longest_life_s=_LONGEST_LIFE_S,
        models="vowels,digits,moby,traffic",
        model_control="open",
        engines="",
    ) as process:
        assert process.address, process.said
        (grpc,) = re.findall(r'"address":\s*"([^"/]+)"', process.said)
        yield Addresses(process.address.removeprefix("http://"), grpc, process.process.pid)
