"""Every method of tritonclient's four clients: it works, or is refused at once as something not offered."""

from __future__ import annotations

import asyncio
import gc
import inspect
import warnings
from queue import SimpleQueue

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from tritonclient.utils import InferenceServerException

CLIENTS = {
    "http": tritonclient.http,
    "http asynchronous": tritonclient.http.aio,
    "grpc": tritonclient.grpc,
    "grpc asynchronous": tritonclient.grpc.aio,
}
STEPS = np.linspace(-1, 1, 9 * 12, dtype=np.float32).reshape(1, 9, 12)


def inputs(client) -> list:
    package = tritonclient.grpc if "grpc" in type(client).__module__ else tritonclient.http
    return [package.InferInput("sequence", [1, 9, 12], "FP32").set_data_from_numpy(STEPS)]


def body_and_back(client):
    body, length = client.generate_request_body(inputs(client))
    assert length < len(body)
    answer = b'{"outputs": [{"name": "output", "datatype": "FP32", "shape": [1], "data": [1]}]}'
    return client.parse_response_body(answer).as_numpy("output")


def later(client):
    if "grpc" not in type(client).__module__:
        return client.async_infer("vowels", inputs(client)).get_result().as_numpy("output")
    answers = SimpleQueue()
    client.async_infer("vowels", inputs(client), lambda result, error: answers.put((result, error)))
    return answered(answers)


def streamed(client):
    answers = SimpleQueue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    client.async_stream_infer("vowels", inputs(client))
    try:
        return answered(answers)
    finally:
        client.stop_stream()


def answered(answers):
    result, error = answers.get(timeout=20)
    assert error is None
    return result.as_numpy("output")


async def streamed_in_a_loop(client):
    async def questions():
        yield {"model_name": "vowels", "inputs": inputs(client)}

    ((result, error),) = [answer async for answer in client.stream_infer(questions(), stream_timeout=20)]
    assert error is None
    return result.as_numpy("output")


OFFERED = {
    "is_server_live": lambda client: client.is_server_live(),
    "is_server_ready": lambda client: client.is_server_ready(),
    "is_model_ready": lambda client: client.is_model_ready("vowels", "1"),
    "get_server_metadata": lambda client: client.get_server_metadata(),
    "get_model_metadata": lambda client: client.get_model_metadata("vowels", "1"),
    "get_model_config": lambda client: client.get_model_config("vowels", "1"),
    "get_model_repository_index": lambda client: client.get_model_repository_index(),
    "get_inference_statistics": lambda client: client.get_inference_statistics("vowels"),
    "infer": lambda client: client.infer("vowels", inputs(client), headers={"x-request-id": "mine"}),
    "async_infer": later,
    "async_stream_infer": streamed,
    "start_stream": streamed,
    "stop_stream": streamed,
    "stream_infer": streamed_in_a_loop,
    "generate_request_body": body_and_back,
    "parse_response_body": body_and_back,
    "get_log_settings": lambda client: client.get_log_settings(),
    "update_log_settings": lambda client: client.update_log_settings({"log_info": True}),
}
# What answers without a word: nothing is raised.
SILENT = {
    "load_model": lambda client: client.load_model("digits"),
    "unload_model": lambda client: client.unload_model("digits"),
}
NOT_OFFERED = {
    "get_trace_settings": lambda client: client.get_trace_settings(),
    "update_trace_settings": lambda client: client.update_trace_settings(settings={"trace_rate": "1"}),
    "get_system_shared_memory_status": lambda client: client.get_system_shared_memory_status(),
    "register_system_shared_memory": lambda client: client.register_system_shared_memory("r", "/r", 8),
    "unregister_system_shared_memory": lambda client: client.unregister_system_shared_memory("r"),
    "get_cuda_shared_memory_status": lambda client: client.get_cuda_shared_memory_status(),
    "register_cuda_shared_memory": lambda client: client.register_cuda_shared_memory("r", b"AA==", 0, 8),
    "unregister_cuda_shared_memory": lambda client: client.unregister_cuda_shared_memory("r"),
}
# What asks the server nothing; every test below closes its client.
NO_QUESTION = {"close", "plugin", "register_plugin", "unregister_plugin"}


def methods_of(name: str) -> set[str]:
    members = inspect.getmembers(CLIENTS[name].InferenceServerClient, callable)
    return {method for method, _ in members if not method.startswith("_")} - NO_QUESTION


def told(server, name: str, ask):
    """What the client is told."""
    address = server.grpc if "grpc" in name else server.http
    if "asynchronous" not in name:
        with CLIENTS[name].InferenceServerClient(address) as client:
            return ask(client)

    async def conversation():
        async with CLIENTS[name].InferenceServerClient(address) as client:
            answer = ask(client)
            return await answer if inspect.isawaitable(answer) else answer

    return asyncio.run(asyncio.wait_for(conversation(), 20))


# Over HTTP its questions about readiness leave the answer's body unread, and where that comes late the
# connection too: collected at the end of this file, since it would be some other test's warning.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module", autouse=True)
def _left_behind():
    yield
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()


@pytest.mark.parametrize("name", CLIENTS)
def test_every_method_is_either_offered_or_not(name):
    assert methods_of(name) <= OFFERED.keys() | SILENT.keys() | NOT_OFFERED.keys()


@pytest.mark.parametrize(
    ("name", "method"),
    [(name, method) for name in CLIENTS for method in sorted(methods_of(name) & OFFERED.keys())],
)
def test_a_method_that_is_offered_is_answered(server, name, method):
    assert np.any(told(server, name, OFFERED[method]))


@pytest.mark.parametrize("name", CLIENTS)
def test_a_model_is_unloaded_and_loaded(server, name):
    # In this order: the server is other tests' too, and has the model.
    for method, is_there in (("unload_model", False), ("load_model", True)):
        assert told(server, name, SILENT[method]) is None
        assert bool(told(server, name, lambda client: client.is_model_ready("digits"))) is is_there


@pytest.mark.parametrize(
    ("name", "method"),
    [(name, method) for name in CLIENTS for method in sorted(methods_of(name) & NOT_OFFERED.keys())],
)
def test_a_method_that_is_not_offered_is_refused_as_unknown(server, name, method):
    with pytest.raises(InferenceServerException) as refusal:
        told(server, name, NOT_OFFERED[method])
    assert refusal.value.status() == ("StatusCode.UNIMPLEMENTED" if "grpc" in name else "404")


@pytest.mark.parametrize("name", CLIENTS)
def test_a_model_that_cannot_stream_refuses_a_sequence_of_requests(server, name):
    with pytest.raises(InferenceServerException, match="session: vowels keeps no state"):
        told(
            server,
            name,
            lambda client: client.infer("vowels", inputs(client), sequence_id=7, sequence_start=True),
        )
