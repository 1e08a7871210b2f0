"""/v2/logging and gRPC's LogSettings: what is logged changes at once, and what cannot be changed says so."""

from __future__ import annotations

import asyncio
import json

import grpc
import pytest
import structlog
import tritonclient.grpc as triton_grpc
from grpc_door import GrpcDoor
from kept_logs import kept_logs
from live_server import LiveServer
from memory_server import MemoryServer
from on_a_loop import on_a_loop
from triton_conversation import talk

from service.api.grpc.messages import message_class
from service.telemetry.logs import configure_logs

AT_INFO = {
    "log_info": True,
    "log_warning": True,
    "log_error": True,
    "log_verbose_level": 0,
    "log_file": "",
    "log_format": "ISO8601",
}
REFUSED = [
    ({"log_info": 1}, "log_info: expected true or false"),
    ({"log_warning": "false"}, "log_warning: expected true or false"),
    ({"log_verbose_level": True}, "log_verbose_level: expected a whole number"),
    ({"log_file": "x.log"}, 'log_file: cannot be changed from "": the log goes to standard output'),
    ({"log_format": "default"}, 'log_format: cannot be changed from "ISO8601": lines are JSON'),
]


@pytest.fixture(autouse=True)
def logging_at_info():
    with kept_logs():
        configure_logs("info", as_json=True)
        # The application's own loggers would keep this form for the tests to come.
        structlog.configure(cache_logger_on_first_use=False)
        yield


def events(capsys) -> list[str]:
    return [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]


@on_a_loop
async def test_a_change_is_told_and_holds_at_once_for_every_logger(capsys):
    logger = structlog.get_logger()
    logger.info("made before")
    async with MemoryServer() as server:
        assert (await server.client.get("/v2/logging")).json() == AT_INFO
        changed = await server.post("/v2/logging", {"log_info": False, "log_verbose_level": 2})
        assert changed.json() == AT_INFO | {"log_info": False, "log_verbose_level": 1}
        logger.info("not seen")
        logger.debug("seen")
        assert (await server.client.get("/v2/logging")).json() == changed.json()
        await server.post("/v2/logging", {"log_info": True, "log_error": False, "log_warning": None})
        assert (await server.client.get("/v2/logging")).json() == AT_INFO | {
            "log_error": False,
            "log_verbose_level": 1,
        }
        logger.info("seen again")
        logger.error("not seen")
    due = ["made before", "log settings changed", "seen", "log settings changed", "seen again"]
    assert [event for event in events(capsys) if event != "request refused"] == due


@pytest.mark.parametrize(("asked", "message"), [*REFUSED, ({"log_verbose_level": -1}, "log_verbose_level: ")])
@on_a_loop
async def test_what_cannot_be_is_refused_with_what_can_and_changes_nothing(asked, message):
    async with MemoryServer() as server:
        refusal = await server.post("/v2/logging", {"log_info": False} | asked)
        assert refusal.status_code == 400
        assert refusal.json()["error"].startswith(message)
        assert (await server.client.get("/v2/logging")).json() == AT_INFO


@pytest.mark.parametrize("body", [b"", b"[]", b'{"log_level": "debug"}', b'{"log_info": true'])
@on_a_loop
async def test_a_body_that_holds_no_settings_is_refused(body):
    async with MemoryServer() as server:
        refusal = await server.post("/v2/logging", body)
        assert refusal.status_code == 400
        assert refusal.json()["error"].startswith("body: ")


@on_a_loop
async def test_what_was_read_can_be_sent_back():
    async with MemoryServer() as server:
        assert (await server.post("/v2/logging", AT_INFO)).json() == AT_INFO


@on_a_loop
async def test_tritonclient_reads_and_changes_it_over_http():
    async with LiveServer() as server:
        assert await talk(server, lambda client: client.get_log_settings()) == AT_INFO
        changed = await talk(server, lambda client: client.update_log_settings({"log_warning": False}))
        assert changed == AT_INFO | {"log_warning": False}


def asked_of(client: triton_grpc.InferenceServerClient) -> list[dict]:
    answers = [
        client.get_log_settings(),
        client.update_log_settings({"log_verbose_level": 1, "log_info": None}),
    ]
    return [
        {
            name: getattr(value, value.WhichOneof("parameter_choice"))
            for name, value in answer.settings.items()
        }
        for answer in answers
    ]


@on_a_loop
async def test_tritonclient_reads_and_changes_it_over_grpc():
    async with GrpcDoor() as door:

        def conversation():
            with triton_grpc.InferenceServerClient(door.address) as client:
                return asked_of(client)

        told = await asyncio.to_thread(conversation)
        assert told == [AT_INFO, AT_INFO | {"log_verbose_level": 1}]
        assert "logging" in (await door.ask("ServerMetadata")).extensions


_FIELDS = {bool: "bool_param", int: "uint32_param", str: "string_param"}


@pytest.mark.parametrize(
    ("asked", "message"), [*REFUSED, ({"log_level": True}, "log_level: there is no such")]
)
@on_a_loop
async def test_grpc_refuses_the_same(asked, message):
    settings = {name: {_FIELDS[type(value)]: value} for name, value in asked.items()}
    async with GrpcDoor() as door:
        body = message_class("LogSettingsRequest")(settings=settings).SerializeToString()
        refusal = await door.refusal("LogSettings", body)
        assert refusal.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert refusal.details().startswith(message)


@on_a_loop
async def test_another_method_is_told_both_that_there_are():
    async with MemoryServer(model_control="open") as server:
        refused = await server.client.delete("/v2/logging")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST")
