"""Loading and unloading as tritonclient does it, over HTTP and over gRPC."""

from __future__ import annotations

import asyncio
import json

import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from changing_models import ChangingServer, changing
from on_a_loop import on_a_loop
from tritonclient.utils import InferenceServerException

LISTED = json.dumps({"version_policy": {"specific": {"versions": ["1"]}}})


class OverHttp:
    """tritonclient.http against a socket."""

    client = triton_http.InferenceServerClient

    def __init__(self, server: ChangingServer) -> None:
        import uvicorn

        config = uvicorn.Config(server.carousel, port=0, ws="none", lifespan="off", log_config=None)
        config.load()
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)

    async def start(self) -> str:
        await self._server.startup()
        return "{}:{}".format(*self._server.servers[0].sockets[0].getsockname())

    async def stop(self) -> None:
        await self._server.shutdown()

    @staticmethod
    def index(client) -> list[tuple[str, str, str]]:
        return [(e["name"], e["version"], e["state"]) for e in client.get_model_repository_index()]


class OverGrpc:
    """tritonclient.grpc."""

    client = triton_grpc.InferenceServerClient

    def __init__(self, server: ChangingServer) -> None:
        carousel = server.carousel
        self._server = carousel.grpc_server()

    async def start(self) -> str:
        return await self._server.start(0)

    async def stop(self) -> None:
        await self._server.stop()

    @staticmethod
    def index(client) -> list[tuple[str, str, str]]:
        return [(e.name, e.version, e.state) for e in client.get_model_repository_index().models]


def converse(door: type[OverHttp | OverGrpc], scenario):
    """Blocking code beside the loop that serves it."""

    async def run(tmp_path, contents) -> None:
        for version in ("1", "2"):
            contents.put(tmp_path, "a", version)
        async with changing(tmp_path) as server:
            live = door(server)
            address = await live.start()

            def with_client() -> None:
                with door.client(address) as client:
                    scenario(client, door)

            try:
                await asyncio.to_thread(with_client)
            finally:
                await live.stop()

    return on_a_loop(run)


def until(condition) -> None:
    while not condition():
        pass


def loads_and_unloads(client, door) -> None:
    assert door.index(client) == [("gait", "2", "READY")]
    client.load_model("gait", config=LISTED)
    assert client.is_model_ready("gait", "1")
    until(lambda: door.index(client) == [("gait", "1", "READY")])
    client.unload_model("gait", unload_dependents=True)
    assert not client.is_model_ready("gait")
    until(lambda: door.index(client) == [("gait", "1", "UNAVAILABLE"), ("gait", "2", "UNAVAILABLE")])
    client.load_model("gait")
    assert client.is_model_ready("gait", "2")


REFUSED = [
    (("nobody",), {}, ("404", "StatusCode.NOT_FOUND"), "model: there is no nobody in models_dir"),
    (("gait",), {"config": "{"}, ("400", "StatusCode.INVALID_ARGUMENT"), "parameters.config: not valid JSON"),
    (
        ("gait",),
        {"config": '{"max_batch_size": 3}'},
        ("400", "StatusCode.INVALID_ARGUMENT"),
        "parameters.config.max_batch_size: cannot be overridden, only version_policy can",
    ),
    (
        ("gait",),
        {"config": "{}", "files": {"file:1/model.onnx": b"onnx"}},
        ("400", "StatusCode.INVALID_ARGUMENT"),
        "parameters.file:1/model.onnx: models are not taken over the network",
    ),
    (
        ("gait",),
        {"config": LISTED.replace("1", "7")},
        ("400", "StatusCode.INVALID_ARGUMENT"),
        "version_policy: gait has no version 7, it has 1, 2",
    ),
]


def refuses(client, door) -> None:
    for names, options, statuses, words in REFUSED:
        with pytest.raises(InferenceServerException) as refused:
            client.load_model(*names, **options)
        assert refused.value.status() in statuses
        assert refused.value.message().startswith(words)
    with pytest.raises(InferenceServerException) as refused:
        client.unload_model("nobody")
    assert refused.value.status() in ("404", "StatusCode.NOT_FOUND")
    assert door.index(client) == [("gait", "2", "READY")]


@pytest.mark.parametrize("scenario", [loads_and_unloads, refuses])
@pytest.mark.parametrize("door", [OverHttp, OverGrpc])
def test_a_client_loads_and_unloads(door, scenario, tmp_path, contents):
    converse(door, scenario)(tmp_path, contents)
