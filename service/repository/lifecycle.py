"""Which versions serve: what the policy makes of what lies on disk, kept so while requests run."""

from __future__ import annotations

import asyncio
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from service.domain.version_policy import EVERY_MODEL, VersionPolicy, version_policies
from service.errors import InvalidBundle, InvalidRequest, NotFound
from service.repository.disk import Versions
from service.repository.model_states import UNLOADED, State
from service.repository.models_folder import ModelsFolder
from service.repository.operations import Operations
from service.repository.replacement import Replacement
from service.repository.watching import watch
from service.settings import Settings

_logger = structlog.get_logger()


@dataclass(slots=True)
class _Followed:
    """A model that the lifecycle knows: the disk it was last made to agree with, and what was asked."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    seen: Versions = field(default_factory=dict)
    policy: VersionPolicy | None = None
    is_asked_for: bool = False


class Lifecycle:
    """Loads, replaces and unloads models; what concerns one model is done in turn.

    At rest the versions that serve are those that the policy chooses among the good ones on disk, but for
    models that were unloaded by name: these stay away until their files change or somebody loads them.
    """

    def __init__(self, settings: Settings, replacement: Replacement) -> None:
        self._settings = settings
        self._replacement = replacement
        self._registry = replacement.registry
        self._folder = ModelsFolder(settings.models_dir)
        self._policies = version_policies(settings.version_policy)
        self._models: dict[str, _Followed] = {}
        self._operations = Operations()

    async def start(self) -> None:
        """Try every model that is wanted; raises InvalidBundle where none serves and none is waited for."""
        found = await asyncio.to_thread(self._folder.first_look)
        self._check_wanted(found.keys())
        for name in filter(self._is_wanted, found):
            followed = self._followed(name)
            async with followed.lock:
                await self._settle(name, followed, found[name])
        watch_s = self._settings.watch_s
        if not self._registry.models and watch_s is None:
            raise InvalidBundle(f"{self._settings.models_dir}: holds no bundle that can be served")
        _logger.info("models loaded", count=len(self._registry.models))
        self._replacement.acceleration.begin()
        if watch_s is not None:
            self._operations.begin(watch(self.look, watch_s))

    async def load(self, name: str, policy: VersionPolicy | None = None) -> None:
        """Have a model serve what lies on disk now; `policy` holds in place of the setting's until next time.

        Raises NotFound where there is no such folder, InvalidRequest with the reason of each version that
        should serve and cannot; what served before then still does.
        """
        await self._operations.done(self._load(name, policy))

    async def unload(self, name: str) -> None:
        """Have nothing serve the name; returns while what was accepted is still being answered.

        Raises NotFound where nobody has heard of it.
        """
        await self._operations.done(self._unload(name))

    async def look(self) -> list[asyncio.Task[None]]:
        """Look at the disk, and begin to bring what has changed, and is as at the last look, into service."""
        if not await asyncio.to_thread(self._folder.look) or self._operations.is_closing:
            return []
        names = {*self._folder.names(), *self._models}
        due = [name for name in sorted(names) if self._is_wanted(name) and self._is_due(name)]
        return [self._operations.begin(self._follow(name)) for name in due]

    def stop_loading(self) -> None:
        """Give up what is being loaded, and load nothing more: the server is about to leave."""
        self._operations.cancel()

    async def close(self) -> None:
        """Answer what was accepted, then release every engine."""
        self.stop_loading()
        await self._operations.all_ended()
        await self._replacement.acceleration.close()
        await self._replacement.departures.close()
        await self._registry.close()

    def _check_wanted(self, names: AbstractSet[str]) -> None:
        missing = ", ".join(sorted((self._settings.models or frozenset()) - names))
        if missing and self._settings.watch_s is None:
            raise InvalidBundle(f"models: {self._settings.models_dir} has no {missing}")
        if missing:
            _logger.warning("models are not there yet", models=missing)

    def _is_wanted(self, name: str) -> bool:
        wanted = self._settings.models
        return wanted is None or name in wanted or self._followed(name).is_asked_for

    def _followed(self, name: str) -> _Followed:
        return self._models.setdefault(name, _Followed())

    def _is_due(self, name: str) -> bool:
        """What is being loaded or unloaded just now is looked at next time."""
        followed = self._followed(name)
        return not followed.lock.locked() and self._folder.steady(name, followed.seen) != followed.seen

    async def _load(self, name: str, policy: VersionPolicy | None) -> None:
        await asyncio.to_thread(self._folder.versions, name)
        followed = self._followed(name)
        async with followed.lock:
            versions = await asyncio.to_thread(self._folder.versions, name)
            _check_listed(name, versions, policy)
            followed.policy, followed.is_asked_for = policy, True
            failures = await self._settle(name, followed, versions, is_forced=True)
        if failures:
            reasons = "; ".join(f"{name}/{version}: {reason}" for version, reason in failures.items())
            serving = ", ".join(sorted(self._registry.serving(name), key=int)) or "none"
            raise InvalidRequest(f"model: could not be loaded: {reasons}; versions that serve: {serving}")

    async def _unload(self, name: str) -> None:
        if not (self._registry.serving(name) or self._registry.states.of(name)):
            await asyncio.to_thread(self._folder.versions, name)
        followed = self._followed(name)
        async with followed.lock:
            with suppress(NotFound):
                followed.seen = await asyncio.to_thread(self._folder.versions, name)
            self._put_away(name, followed.seen)

    def _put_away(self, name: str, versions: Versions) -> None:
        left = self._registry.replace(name, [])
        states = self._registry.states
        for version in list(states.of(name)):
            states.forget(name, version)
        for version in versions:
            states.tell(name, version, State.UNAVAILABLE, UNLOADED)
        for model in left:
            if model.sessions is not None:
                model.sessions.close_all("unloaded")
            self._replacement.departures.add(model, is_unloaded=True)

    async def _follow(self, name: str) -> None:
        followed = self._followed(name)
        async with followed.lock:
            await self._settle(name, followed, self._folder.steady(name, followed.seen))

    async def _settle(
        self, name: str, followed: _Followed, versions: Versions, *, is_forced: bool = False
    ) -> dict[str, str]:
        policy = followed.policy or self._policies.get(name, self._policies[EVERY_MODEL])
        seen = followed.seen

        def is_unchanged(version: str) -> bool:
            return not is_forced and seen.get(version) == versions[version]

        folder = self._settings.models_dir / name
        failures = await self._replacement.settle(folder, versions, policy, is_unchanged)
        followed.seen = versions
        return failures


def _check_listed(name: str, versions: Versions, policy: VersionPolicy | None) -> None:
    missing = policy.missing(versions) if policy else []
    if missing:
        there = ", ".join(sorted(versions, key=int))
        raise InvalidRequest(f"version_policy: {name} has no version {', '.join(missing)}, it has {there}")
