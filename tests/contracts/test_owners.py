"""A session is there for the key that opened it and for admins, at every door; for others it is not."""

from __future__ import annotations

import numpy as np
import pytest
from api_keys import KEYS, entry, key_file
from grpc_door import GrpcDoor, infer_fields
from memory_server import MemoryServer
from on_a_loop import on_a_loop

from service.api.grpc.messages import ModelInferRequest
from service.sessions.persistence import Persistence
from service.sessions.stores.memory import MemoryStore

SESSIONS = "/v2/models/sums/sessions"
STEP = {"sequence": [[1, 2]]}
TENSOR = {"name": "sequence", "shape": [1, 1, 2], "datatype": "FP32", "data": [1, 2]}
INFER = {"inputs": [TENSOR], "parameters": {"sequence_id": "talk"}}
UNKNOWN = "session: there is no 'talk' here"
TAKEN = "session: 'talk' is open already, close it first or take another id"


def two_users(folder):
    """A file of keys with a second `infer` key."""
    path = key_file(folder)
    path.write_text(path.read_text() + entry("other", "other-key"))
    return path


def key(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer {KEYS.get(name, 'other-key')}"}


async def asked(client, name, method, path, **content):
    answer = await client.request(method, path, headers=key(name), **content)
    return answer.status_code, answer.json().get("error", "") if answer.content[:1] == b"{" else ""


WAYS = [
    ("GET", f"{SESSIONS}/talk", {}),
    ("POST", f"{SESSIONS}/talk/steps", {"json": STEP}),
    ("GET", f"{SESSIONS}/talk/state", {}),
    ("POST", "/v2/models/sums/infer", {"json": INFER}),
    ("POST", "/v2/models/sums/forecast", {"json": {"steps": 1, "session": "talk"}}),
    ("DELETE", f"{SESSIONS}/talk", {}),
]


@pytest.mark.parametrize(("method", "path", "content"), WAYS)
@on_a_loop
async def test_over_http_it_is_its_owners_and_an_admins(tmp_path, method, path, content):
    async with MemoryServer(api_keys_file=two_users(tmp_path)) as server:
        assert await asked(server.client, "user", "POST", SESSIONS, json={"id": "talk"}) == (201, "")
        await asked(server.client, "user", "POST", f"{SESSIONS}/talk/steps", json=STEP)
        assert await asked(server.client, "other", method, path, **content) == (404, UNKNOWN)
        told = (await server.client.get(f"{SESSIONS}/talk", headers=key("user"))).json()
        assert told["step"] == 1
        assert (await asked(server.client, "user", method, path, **content))[0] < 300
        # What the owner did to it last may have been to close it.
        assert (await asked(server.client, "boss", "GET", f"{SESSIONS}/talk"))[0] in (200, 410)


@on_a_loop
async def test_its_id_is_taken_and_its_end_is_told_to_its_owner_only(tmp_path):
    async with MemoryServer(api_keys_file=two_users(tmp_path)) as server:
        await asked(server.client, "user", "POST", SESSIONS, json={"id": "talk"})
        await asked(server.client, "user", "POST", f"{SESSIONS}/talk/steps", json=STEP)
        state = (await server.client.get(f"{SESSIONS}/talk/state", headers=key("user"))).content
        starting = INFER | {"parameters": {"sequence_id": "talk", "sequence_start": True}}
        for path, body in ((SESSIONS, {"id": "talk"}), ("/v2/models/sums/infer", starting)):
            assert await asked(server.client, "other", "POST", path, json=body) == (409, TAKEN)
        bytes_of = {"content": state, "headers": key("boss") | {"content-type": "application/octet-stream"}}
        replaced = await server.client.put(f"{SESSIONS}/talk/state?replace=true", **bytes_of)
        assert replaced.status_code == 200
        # Who brings a state opens the session.
        assert await asked(server.client, "user", "GET", f"{SESSIONS}/talk") == (404, UNKNOWN)
        await asked(server.client, "boss", "DELETE", f"{SESSIONS}/talk")
        assert await asked(server.client, "user", "GET", f"{SESSIONS}/talk") == (404, UNKNOWN)
        assert (await asked(server.client, "boss", "GET", f"{SESSIONS}/talk"))[0] == 410
        assert await asked(server.client, "other", "POST", SESSIONS, json={"id": "talk"}) == (201, "")


@on_a_loop
async def test_over_grpc_it_is_its_owners_and_an_admins(tmp_path):
    async with GrpcDoor(api_keys_file=two_users(tmp_path)) as door:
        request = ModelInferRequest(**infer_fields(np.ones((1, 1, 2), np.float32)))
        request.parameters["sequence_id"].string_param = "talk"

        async def code(name, asked):
            metadata = tuple(key(name).items())
            stream = door.stream(metadata=metadata)
            await stream.write(asked)
            said = (await stream.read()).error_message
            await stream.done_writing()
            if said:
                refused = await door.refusal("ModelInfer", asked.SerializeToString(), metadata=metadata)
                assert refused.details() == said
            return said

        request.parameters["sequence_start"].bool_param = True
        assert await code("user", request) == ""
        assert await code("other", request) == TAKEN
        request.parameters["sequence_start"].bool_param = False
        assert [await code(name, request) for name in ("user", "other", "boss")] == ["", UNKNOWN, ""]


@on_a_loop
async def test_what_was_opened_without_keys_stays_everybodys_and_the_others_are_kept_over_a_restart(tmp_path):
    store = MemoryStore()
    async with MemoryServer(api_keys_file=two_users(tmp_path)) as server:
        await asked(server.client, "user", "POST", SESSIONS, json={"id": "talk"})
        await asked(server.client, "user", "POST", SESSIONS, json={"id": "open"})
        await saved(server, store, everybodys="open")
    async with MemoryServer(api_keys_file=two_users(tmp_path)) as server:
        server.carousel.predictor.persistence = persistence(server, store)
        assert await asked(server.client, "other", "POST", f"{SESSIONS}/talk/steps", json=STEP) == (
            404,
            UNKNOWN,
        )
        assert await asked(server.client, "other", "POST", SESSIONS, json={"id": "talk"}) == (409, TAKEN)
        # Nor has asking taken it out of the store.
        assert [name async for name in store.ids()] == ["sums/open", "sums/talk"]
        assert (await asked(server.client, "user", "POST", f"{SESSIONS}/talk/steps", json=STEP))[0] == 200
        assert await asked(server.client, "other", "GET", f"{SESSIONS}/talk") == (404, UNKNOWN)
        assert (await asked(server.client, "other", "GET", f"{SESSIONS}/open"))[0] == 200


def persistence(server, store) -> Persistence:
    return Persistence(store, server.carousel.metrics.session_store_failures)


async def saved(server, store, everybodys: str) -> None:
    sessions = server.carousel.registry.find("sums").sessions
    for session in sessions:
        session.owner = None if session.id == everybodys else session.owner
    await persistence(server, store).save([sessions])
