"""The shipped files, parsed once."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

_ROOT = Path(__file__).parents[2]


class Dockerfile:
    """A Dockerfile's instructions in their order, continued lines joined, comments left out."""

    def __init__(self, text: str) -> None:
        lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
        joined = "\n".join(lines).replace("\\\n", " ").splitlines()
        self._instructions = [line.partition(" ")[::2] for line in joined if line]

    def arguments(self, name: str) -> list[str]:
        """What each instruction of that name was given."""
        return [" ".join(given.split()) for instruction, given in self._instructions if instruction == name]

    @property
    def environment(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for given in self.arguments("ENV") for pair in given.split())

    @property
    def stages(self) -> dict[str, str]:
        """Name and base of each stage; the last one is built where none is named."""
        return {name: base for base, name in (given.split(" AS ") for given in self.arguments("FROM"))}


@pytest.fixture(scope="session")
def root():
    return _ROOT


@pytest.fixture(scope="session")
def dockerfile():
    return Dockerfile((_ROOT / "Dockerfile").read_text())


@pytest.fixture(scope="session")
def compose():
    return yaml.safe_load((_ROOT / "docker-compose.yml").read_text())
