"""The model versions in service, by name."""

from __future__ import annotations

from typing import NoReturn

from service.errors import NotFound, Unavailable
from service.repository.served_model import ServedModel


class Registry:
    """Looks up what serves a name; a bundle that could not be loaded is known with its reason."""

    def __init__(self) -> None:
        self._versions: dict[str, dict[str, ServedModel]] = {}
        self._latest: dict[str, ServedModel] = {}
        self._failures: dict[str, str] = {}

    def add(self, model: ServedModel) -> None:
        name = model.manifest.name
        versions = self._versions.setdefault(name, {})
        versions[model.manifest.version] = model
        self._latest[name] = versions[max(versions, key=int)]

    def add_failure(self, name: str, reason: str) -> None:
        self._failures[name] = reason

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
        return dict(self._failures)

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
        if name in self._versions:
            served = ", ".join(self.versions(name))
            raise NotFound(f"version: {name} has no version {version}, it has {served}")
        if name in self._failures:
            raise Unavailable(f"model: {name} could not be loaded: {self._failures[name]}")
        names = ", ".join(sorted(self._versions)) or "none"
        raise NotFound(f"model: there is no {name}, the models are: {names}")

    async def close(self) -> None:
        """Close every version, each after finishing what it accepted."""
        for model in self.models:
            await model.close()
