"""Loading and unloading over gRPC."""

from __future__ import annotations

from typing import Any

from service.api.grpc.calls import Answer
from service.api.grpc.messages import Message, message_class
from service.api.open_inference.load_parameters import check_unload_parameters, load_policy
from service.repository.lifecycle import Lifecycle


class ModelControl:
    """RepositoryModelLoad and RepositoryModelUnload."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle

    def methods(self) -> dict[str, Answer]:
        """Both by their names in the protocol."""
        return {"RepositoryModelLoad": self._load, "RepositoryModelUnload": self._unload}

    async def _load(self, request: Message, _: float | None) -> Message:
        name = request.model_name
        await self._lifecycle.load(name, load_policy(name, _plain(request)))
        return message_class("RepositoryModelLoadResponse")()

    async def _unload(self, request: Message, _: float | None) -> Message:
        check_unload_parameters(_plain(request))
        await self._lifecycle.unload(request.model_name)
        return message_class("RepositoryModelUnloadResponse")()


def _plain(message: Message) -> dict[str, Any]:
    """A message's parameters as plain values; one without a value is None."""
    return {
        name: getattr(value, value.WhichOneof("parameter_choice") or "", None)
        for name, value in message.parameters.items()
    }
