"""Versions that no longer serve: they answer what they accepted, then their engines and series end."""

from __future__ import annotations

import asyncio

import structlog

from service.repository.acceleration_queue import AccelerationQueue
from service.repository.model_states import UNLOADED, State
from service.repository.registry import Registry
from service.repository.served_model import ServedModel

_logger = structlog.get_logger()


class Departures:
    """Who has left the registry and is not yet done."""

    def __init__(self, registry: Registry, acceleration: AccelerationQueue) -> None:
        self._registry = registry
        self._acceleration = acceleration
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, model: ServedModel, *, is_unloaded: bool = False) -> None:
        """Close a model that has left the registry; `is_unloaded` by name, which the index keeps telling."""
        name, version = model.manifest.name, model.manifest.version
        if version not in self._registry.serving(name):
            self._registry.states.tell(name, version, State.UNLOADING)
        task = asyncio.create_task(self._leave(model, is_unloaded=is_unloaded))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait until all have left."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _leave(self, model: ServedModel, *, is_unloaded: bool) -> None:
        name, version = model.manifest.name, model.manifest.version
        await self._acceleration.withdraw(model)
        await model.close()
        _logger.info("model left", model=name, version=version)
        told = self._registry.states.of(name).get(version)
        # Unless it is being loaded again, or that has failed.
        if told is None or told.state is not State.UNLOADING:
            return
        if is_unloaded:
            self._registry.states.tell(name, version, State.UNAVAILABLE, UNLOADED)
        else:
            self._registry.states.forget(name, version)
