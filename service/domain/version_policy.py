"""Which of a model's versions serve: the newest few, all, or those that are listed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

EVERY_MODEL = "*"
_EXPECTED = "expected latest, latest:N, all, or versions with commas between, such as 1,3"


@dataclass(frozen=True, slots=True)
class VersionPolicy:
    """`latest` is how many of the newest, `listed` exactly these; neither means all."""

    latest: int | None = None
    listed: frozenset[str] | None = None

    def candidates(self, versions: Iterable[str]) -> list[str]:
        """Those of `versions` that may serve, newest first.

        Of these the first `latest` that can be served do: where the newest cannot, an older stands in.
        """
        return sorted((v for v in versions if self.listed is None or v in self.listed), key=int, reverse=True)

    def missing(self, versions: Iterable[str]) -> list[str]:
        """Versions that are listed and not among those there are."""
        return sorted((self.listed or frozenset()) - frozenset(versions), key=int)

    def as_config(self) -> dict[str, Any]:
        """As the protocol's ModelConfig has it."""
        if self.listed is not None:
            return {"specific": {"versions": sorted(map(int, self.listed))}}
        return {"all": {}} if self.latest is None else {"latest": {"num_versions": self.latest}}


ALL = VersionPolicy()
LATEST = VersionPolicy(latest=1)


def version_policy(text: str) -> VersionPolicy:
    """The policy that a text names; raises ValueError saying what would be right."""
    match text.strip().partition(":"):
        case ("latest", "", ""):
            return LATEST
        case ("all", "", ""):
            return ALL
        case ("latest", ":", count) if _is_positive(count):
            return VersionPolicy(latest=int(count))
    versions = [part.strip() for part in text.split(",")]
    if not all(map(_is_positive, versions)):
        raise ValueError(f"{text!r}: {_EXPECTED}")
    return VersionPolicy(listed=frozenset(versions))


def version_policies(text: str) -> dict[str, VersionPolicy]:
    """The policy of each model by its name, and under `*` that of all others; raises ValueError."""
    if not text.lstrip().startswith("{"):
        return {EVERY_MODEL: version_policy(text)}
    try:
        named = json.loads(text)
    except json.JSONDecodeError as failure:
        raise ValueError(f"not valid JSON: {failure}") from None
    policies = {EVERY_MODEL: LATEST}
    for name, policy in named.items():
        if not isinstance(policy, str):
            raise ValueError(f"{name}: {policy!r}: {_EXPECTED}, as a string")  # noqa: TRY004 - pydantic's way
        try:
            policies[name] = version_policy(policy)
        except ValueError as failure:
            raise ValueError(f"{name}: {failure}") from None
    return policies


def _is_positive(text: str) -> bool:
    return text.isascii() and text.isdigit() and not text.startswith("0") and len(text) <= 18
