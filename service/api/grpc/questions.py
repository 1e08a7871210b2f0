"""What clients ask about the server and its models."""

from __future__ import annotations

from collections.abc import Callable

from service.api.grpc.calls import Answer
from service.api.grpc.messages import Message, message_class
from service.api.open_inference.log_settings import change_log_settings
from service.api.open_inference.model_config import model_config
from service.api.open_inference.model_metadata import model_metadata, server_metadata
from service.api.open_inference.model_statistics import model_statistics
from service.api.open_inference.repository_index import repository_index
from service.errors import NotFound, Unavailable
from service.repository.readiness import faults
from service.repository.registry import Registry

_SETTING_FIELDS = {bool: "bool_param", int: "uint32_param", str: "string_param"}


class Questions:
    """Each method takes a request's message and gives the response's."""

    def __init__(self, registry: Registry, is_ready: Callable[[], bool], max_rows: int) -> None:
        self._registry = registry
        self._is_ready = is_ready
        self._max_rows = max_rows

    def methods(self) -> dict[str, Answer]:
        """Every method by its name in the protocol."""
        return {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            "ModelConfig": self._model_config,
            "ModelStatistics": self._model_statistics,
            "RepositoryIndex": self._repository_index,
            "LogSettings": self._log_settings,
        }

    async def _server_live(self, _: Message, __: float | None) -> Message:
        return message_class("ServerLiveResponse")(live=True)

    async def _server_ready(self, _: Message, __: float | None) -> Message:
        is_ready = self._is_ready() and not await faults(self._registry.models)
        return message_class("ServerReadyResponse")(ready=is_ready)

    async def _model_ready(self, request: Message, _: float | None) -> Message:
        """False for whatever does not serve: clients that wait for a model ask until it does."""
        try:
            model = self._registry.find(request.name, request.version or None)
        except (NotFound, Unavailable):
            return message_class("ModelReadyResponse")(ready=False)
        return message_class("ModelReadyResponse")(ready=self._is_ready() and not await faults([model]))

    async def _server_metadata(self, _: Message, __: float | None) -> Message:
        return message_class("ServerMetadataResponse")(**server_metadata())

    async def _model_metadata(self, request: Message, _: float | None) -> Message:
        signature = self._registry.find(request.name, request.version or None).signature
        versions = self._registry.versions(request.name)
        return message_class("ModelMetadataResponse")(**model_metadata(request.name, versions, signature))

    async def _model_config(self, request: Message, _: float | None) -> Message:
        model = self._registry.find(request.name, request.version or None)
        config = model_config(model, self._registry.policy(request.name), self._max_rows)
        return message_class("ModelConfigResponse")(config=config)

    async def _model_statistics(self, request: Message, _: float | None) -> Message:
        if request.name:
            self._registry.find(request.name, request.version or None)
        counted = [
            model_statistics(model)
            for model in self._registry.models
            if request.name in ("", model.manifest.name) and request.version in ("", model.manifest.version)
        ]
        return message_class("ModelStatisticsResponse")(model_stats=counted)

    async def _repository_index(self, request: Message, _: float | None) -> Message:
        entries = repository_index(self._registry, self._is_ready(), only_ready=request.ready)
        return message_class("RepositoryIndexResponse")(models=entries)

    async def _log_settings(self, request: Message, _: float | None) -> Message:
        asked = {
            name: getattr(value, value.WhichOneof("parameter_choice") or "", None)
            for name, value in request.settings.items()
        }
        response = message_class("LogSettingsResponse")()
        for name, value in change_log_settings(asked).items():
            setattr(response.settings[name], _SETTING_FIELDS[type(value)], value)
        return response
