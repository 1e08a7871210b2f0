"""One model's versions made those that its policy chooses: loaded beside what serves, then swapped in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from service.domain.version_policy import VersionPolicy
from service.errors import InvalidBundle
from service.repository.acceleration_queue import AccelerationQueue
from service.repository.departures import Departures
from service.repository.disk import Versions
from service.repository.loader import Loader
from service.repository.model_states import UNLOADED, State
from service.repository.registry import Registry
from service.repository.scanner import read_bundle
from service.repository.served_model import ServedModel
from service.sessions.handover import hand_over
from service.sessions.sessions import Sessions
from service.telemetry.metrics import Metrics

_logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Replacement:
    """Loads what is new or changed, one bundle of all models at a time, and never disturbs what serves."""

    registry: Registry
    loader: Loader
    acceleration: AccelerationQueue
    departures: Departures
    metrics: Metrics
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def settle(
        self, folder: Path, versions: Versions, policy: VersionPolicy, is_unchanged: Callable[[str], bool]
    ) -> dict[str, str]:
        """Have the name serve what the policy chooses; returns why versions that were tried now cannot.

        `folder` holds the versions' folders; `is_unchanged` says which of them are as they were last time.
        """
        name = folder.name
        serving = self.registry.serving(name)
        failures = self._missing(name, versions, policy)
        told = {*failures}
        chosen: dict[str, ServedModel] = {}
        try:
            for version in policy.candidates(versions):
                if len(chosen) == policy.latest:
                    break
                model = serving.get(version)
                if not (is_unchanged(version) and (model or self._has_failed(name, version))):
                    model = await self._tried(folder / version, model, failures)
                if model:
                    chosen[version] = model
                told.add(version)
            is_accelerated = await self._bring_engines(_new(chosen, serving), serving.values())
        except BaseException:
            await self._give_up(name, _new(chosen, serving))
            raise
        if failures and not chosen:
            # A policy that was asked for and chooses nothing that is any good.
            chosen = {version: model for version, model in serving.items() if version in versions}
        self._swap(name, chosen, policy, told)
        for model in () if is_accelerated else _new(chosen, serving):
            self.acceleration.add(model)
        if not versions:
            self.metrics.forget(name)
        return failures

    def _missing(self, name: str, versions: Versions, policy: VersionPolicy) -> dict[str, str]:
        """Listed versions that are not there, of a model that is."""
        missing = policy.missing(versions) if versions else []
        for version in missing:
            self.registry.add_failure(name, version, "version_policy lists it, and it is not on disk")
        return {version: self.registry.states.of(name)[version].reason for version in missing}

    def _has_failed(self, name: str, version: str) -> bool:
        told = self.registry.states.of(name).get(version)
        return told is not None and told.state is State.UNAVAILABLE and told.reason != UNLOADED

    async def _tried(
        self, folder: Path, served: ServedModel | None, failures: dict[str, str]
    ) -> ServedModel | None:
        """The bundle as it is on disk now, loaded; `served` where that is the same, or no good."""
        name, version = folder.parent.name, folder.name
        self.registry.states.tell(name, version, State.LOADING)
        try:
            async with self.turn:
                return await self._loaded(folder, served)
        except Exception as failure:  # noqa: BLE001 - whatever is wrong with one bundle, the others are served
            failures[version] = self._refuse(name, version, failure)
            return served
        except BaseException:
            self.registry.states.forget(name, version)
            raise

    async def _loaded(self, folder: Path, served: ServedModel | None) -> ServedModel:
        name, version = folder.parent.name, folder.name
        bundle = await asyncio.to_thread(read_bundle, folder, self.loader.settings.max_model_bytes)
        if served is not None and served.manifest == bundle.manifest:
            return served
        started_s = time.perf_counter()
        model = await self.loader.load_bundle(bundle)
        elapsed_s = time.perf_counter() - started_s
        self.metrics.model_loads.labels(name, "success").inc()
        self.metrics.model_load_seconds.labels(name, version).set(elapsed_s)
        _logger.info("model loaded", model=name, version=version, seconds=round(elapsed_s, 3))
        return model

    def _refuse(self, name: str, version: str, failure: Exception) -> str:
        is_foreseen = isinstance(failure, InvalidBundle)
        reason = str(failure) if is_foreseen else f"{type(failure).__name__}: {failure}"
        self.registry.add_failure(name, version, reason)
        self.metrics.model_loads.labels(name, "failure").inc()
        trace = None if is_foreseen else failure
        _logger.error("bundle refused", model=name, version=version, error=reason, exc_info=trace)
        return reason

    async def _bring_engines(self, new: list[ServedModel], serving: Iterable[ServedModel]) -> bool:
        """Where a GPU serves the name now, what comes next has its own engines there before it serves."""
        is_on_gpu = any(len(model.engines.in_use()) > 1 for model in serving)
        if is_on_gpu:
            for model in new:
                await self.acceleration.add(model)
        return is_on_gpu

    def _swap(self, name: str, chosen: dict[str, ServedModel], policy: VersionPolicy, told: set[str]) -> None:
        """In one step; `told` are the versions of which there may be something to tell."""
        left = self.registry.replace(name, chosen.values(), policy)
        for model in chosen.values():
            model.take_over()
        states = self.registry.states
        for version, (state, reason) in list(states.of(name).items()):
            is_stale = version not in told or reason == UNLOADED
            if state is State.LOADING or (state is State.UNAVAILABLE and is_stale):
                states.forget(name, version)
        for model in left:
            if model.sessions is not None:
                hand_over(model.sessions, _successor(model, chosen))
            self.departures.add(model)

    async def _give_up(self, name: str, new: list[ServedModel]) -> None:
        for model in new:
            self.registry.states.forget(name, model.manifest.version)
            await self.acceleration.withdraw(model)
            await model.close()


def _new(chosen: dict[str, ServedModel], serving: dict[str, ServedModel]) -> list[ServedModel]:
    return [model for version, model in chosen.items() if serving.get(version) is not model]


def _successor(model: ServedModel, chosen: dict[str, ServedModel]) -> Sessions | None:
    """Where its streams look next: the same version made anew, else the latest."""
    version = model.manifest.version
    after = version if version in chosen else max(chosen, key=int, default=None)
    return None if after is None else chosen[after].sessions
