"""The model versions in service, by name."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from service.errors import NotFound, Unavailable
from service.repository.served_model import ServedModel


class Registry:
    """Looks up what serves a name; a bundle that could not be loaded is known with its reason."""

    def __init__(self) -> None:
        self._versions: dict[str, dict[str, ServedModel]] = {}
        self._latest: dict[str, ServedModel] = {}
        self._failures: dict[str, dict[str, str]] = {}

    def add(self, model: ServedModel) -> None:
        name = model.manifest.name
        versions = self._versions.setdefault(name, {})
        versions[model.manifest.version] = model
        self._latest[name] = versions[max(versions, key=int)]

    def add_failure(self, name: str, version: str, reason: str) -> None:
        self._failures.setdefault(name, {})[version] = reason

    @property
    def models(self) -> list[ServedModel]:
        """Every version in service, by name and rising version."""
        return [
            versions[version]
            for _, versions in sorted(self._versions.items())
            for version in sorted(versions, key=int)
        ]

    @property
    def failures(self) -> dict[str, str]:
        """Why each `name/version` that is on disk is not in service."""
        return {
            f"{name}/{version}": reason
            for name, versions in sorted(self._failures.items())
            for version, reason in versions.items()
        }

    def versions(self, name: str) -> list[str]:
        self.find(name)
        return sorted(self._versions[name], key=int)

    def find(self, name: str, version: str | None = None) -> ServedModel:
        """The version asked for, else the latest; raises NotFound naming what there is."""
        model = self._latest.get(name) if version is None else self._versions.get(name, {}).get(version)
        if model is None:
            self._refuse(name, version)
        return model

    def _refuse(self, name: str, version: str | None) -> NoReturn:
        failed = self._failures.get(name, {})
        if version in failed or (failed and name not in self._versions):
            at = version if version in failed else max(failed, key=int)
            raise Unavailable(f"model: {name}/{at} could not be loaded: {failed[at]}")
        if name in self._versions:
            served = ", ".join(self.versions(name))
            raise NotFound(f"version: {name} has no version {version}, it has {served}")
        names = ", ".join(sorted(self._versions)) or "none"
        raise NotFound(f"model: there is no {name}, the models are: {names}")

    async def close(self) -> None:
        """Close every version, each after finishing what it accepted."""
        await asyncio.gather(*(model.close() for model in self.models))
