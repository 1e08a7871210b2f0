"""The model versions in service, by name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NoReturn

from service.domain.version_policy import ALL, VersionPolicy
from service.errors import NotFound, Unavailable
from service.repository.model_states import UNLOADED, IndexEntry, ModelStates, State, Told
from service.repository.served_model import ServedModel


class Registry:
    """Looks up what serves a name; a version that does not serve is known with its reason."""

    def __init__(self) -> None:
        self._versions: dict[str, dict[str, ServedModel]] = {}
        self._latest: dict[str, ServedModel] = {}
        self._policies: dict[str, VersionPolicy] = {}
        self.states = ModelStates(self._wake)
        self.changes = 0
        self.next_change = asyncio.Event()
        """Set once anything has changed since it was read here, also what is told of a version's state."""

    def add(self, model: ServedModel) -> None:
        name = model.manifest.name
        self.replace(name, [*self._versions.get(name, {}).values(), model])

    def replace(
        self, name: str, models: Iterable[ServedModel], policy: VersionPolicy = ALL
    ) -> list[ServedModel]:
        """Have exactly these serve the name from now on, in one step; returns those that no longer do."""
        before = self._versions.pop(name, {})
        versions = {model.manifest.version: model for model in models}
        self.changes += 1
        self._policies[name] = policy
        if versions:
            self._versions[name] = versions
            self._latest[name] = versions[max(versions, key=int)]
        else:
            self._latest.pop(name, None)
            self._policies.pop(name)
        self._wake()
        return [model for model in before.values() if versions.get(model.manifest.version) is not model]

    def add_failure(self, name: str, version: str, reason: str) -> None:
        self.states.tell(name, version, State.UNAVAILABLE, reason)

    @property
    def models(self) -> list[ServedModel]:
        """Every version in service, by name and rising version."""
        return [
            versions[version]
            for _, versions in sorted(self._versions.items())
            for version in sorted(versions, key=int)
        ]

    @property
    def index(self) -> list[IndexEntry]:
        """Every version there is, by name and rising version.

        One that serves is READY; a reason beside that says why a changed bundle has not taken its place.
        """
        entries = {
            (model.manifest.name, model.manifest.version): IndexEntry(
                model.manifest.name, model.manifest.version, State.READY, ""
            )
            for model in self.models
        }
        for entry in self.states:
            key = entry.name, entry.version
            entries[key] = entry._replace(state=State.READY) if key in entries else entry
        return sorted(entries.values(), key=lambda entry: (entry.name, int(entry.version)))

    def serving(self, name: str) -> dict[str, ServedModel]:
        """What serves the name, by version; may be empty."""
        return dict(self._versions.get(name, {}))

    def policy(self, name: str) -> VersionPolicy:
        return self._policies.get(name, ALL)

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
        told = self.states.of(name)
        if version in told or (told and name not in self._versions):
            at = version if version in told else max(told, key=int)
            self._refuse_known(name, at, told[at], is_named=version in told)
        if name in self._versions:
            served = ", ".join(self.versions(name))
            raise NotFound(f"version: {name} has no version {version}, it has {served}")
        names = ", ".join(sorted(self._versions)) or "none"
        raise NotFound(f"model: there is no {name}, the models are: {names}")

    def _refuse_known(self, name: str, version: str, told: Told, *, is_named: bool) -> NoReturn:
        if told == (State.UNAVAILABLE, UNLOADED):
            # As Triton has it: a model without a version is not found, a version it knows is unavailable.
            refusal = Unavailable if is_named else NotFound
            raise refusal(f"model: {name}/{version} is unloaded, load it first")
        if told.state is State.UNAVAILABLE:
            raise Unavailable(f"model: {name}/{version} could not be loaded: {told.reason}")
        raise Unavailable(f"model: {name}/{version} is {told.state.lower()}")

    def _wake(self) -> None:
        self.next_change.set()
        self.next_change = asyncio.Event()

    async def close(self) -> None:
        """Close every version, each after finishing what it accepted."""
        await asyncio.gather(*(model.close() for model in self.models))
