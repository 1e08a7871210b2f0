"""A session's state in the client's hands: taken here, brought there, refused where it must not go on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes import running_sum
from memory_server import MemoryServer
from on_a_loop import on_a_loop

from service.sessions.snapshot_format import dump, load

WHOLE = np.arange(1, 25, dtype=np.float32).reshape(12, 2)
SESSIONS = "/v2/models/running/sessions"
TALK = f"{SESSIONS}/talk"
KEY = "ab" * 32
BYTES = {"content-type": "application/octet-stream"}


async def step(server, chunk, number, path=TALK):
    body = {"sequence": chunk.tolist(), "step": number, "include_outputs": True}
    return await server.client.post(f"{path}/steps", json=body)


async def begun(server) -> bytes:
    """The state after five steps."""
    await server.client.post(SESSIONS, json={"id": "talk"})
    assert (await step(server, WHOLE[:5], 1)).status_code == 200
    taken = await server.client.get(f"{TALK}/state")
    assert (taken.status_code, taken.headers["content-type"]) == (200, BYTES["content-type"])
    return taken.content


async def bring(server, content, path=f"{TALK}/state"):
    return await server.client.put(path, content=content, headers=BYTES)


@pytest.mark.parametrize("settings", [{}, {"state_key": KEY}])
@on_a_loop
async def test_a_session_moves_to_another_server_and_no_step_counts_twice(settings):
    async with MemoryServer(**settings) as here, MemoryServer(**settings) as there:
        state = await begun(here)
        brought = await bring(there, state)
        assert (brought.status_code, brought.json()["step"]) == (201, 1)
        again = (await step(there, WHOLE[:5], 1)).json()
        np.testing.assert_array_equal(again["predictions"][0]["output"], running_sum(WHOLE)[:5])
        rest = (await step(there, WHOLE[5:], 2)).json()
        np.testing.assert_array_equal(rest["predictions"][0]["output"], running_sum(WHOLE)[5:])
        assert (await step(there, WHOLE[:1], 9)).json()["error"] == "step: got 9, due is 3"
        labels = {"model": "running", "version": "1", "source": "client"}
        assert there.metric("sessions_restored_total", **labels) == 1


@on_a_loop
async def test_an_open_session_is_replaced_only_when_asked():
    async with MemoryServer() as server:
        state = await begun(server)
        assert (await step(server, WHOLE[5:], 2)).status_code == 200
        refused = await bring(server, state)
        assert (refused.status_code, "is open already" in refused.json()["error"]) == (409, True)
        assert (await bring(server, state, f"{TALK}/state?replace=maybe")).status_code == 400
        replaced = await bring(server, state, f"{TALK}/state?replace=true")
        assert (replaced.status_code, replaced.json()["step"]) == (200, 1)
        rest = (await step(server, WHOLE[5:], 2)).json()
        np.testing.assert_array_equal(rest["predictions"][0]["output"], running_sum(WHOLE)[5:])
        assert server.metric("session_state_bytes", model="running", version="1", tier="host") == 8


@on_a_loop
async def test_a_state_goes_on_under_as_many_ids_as_it_is_brought_to():
    async with MemoryServer() as server:
        state = await begun(server)
        for identity in ("one", "two"):
            path = f"{SESSIONS}/{identity}"
            assert (await bring(server, state, f"{path}/state")).status_code == 201
            rest = (await step(server, WHOLE[5:], 2, path)).json()
            np.testing.assert_array_equal(rest["predictions"][0]["output"], running_sum(WHOLE)[5:])


@on_a_loop
async def test_what_was_changed_or_is_not_ours_is_refused_and_opens_nothing():
    async with MemoryServer(state_key=KEY) as server, MemoryServer(state_key="cd" * 32) as other:
        sealed = await begun(server)
        changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
        for target, content, status, words in (
            (server, changed, 403, "was changed"),
            (other, sealed, 403, "which this server does not have"),
            (server, sealed[:40], 400, "is no sealed one"),
            (server, b"CRSLSNAP", 403, "is not sealed"),
        ):
            refusal = await bring(target, content, f"{SESSIONS}/new/state")
            assert (refusal.status_code, words in refusal.json()["error"]) == (status, True), refusal.text
            assert (await target.client.get(f"{SESSIONS}/new")).status_code == 404


@on_a_loop
async def test_the_state_of_another_model_or_one_past_its_time_is_refused():
    async with MemoryServer() as server:
        state = load(await begun(server))
        others = {"fingerprint": "a" * 64}, {"created_s": state.created_s - state.ttl_s}
        for other, status, words in zip(others, (409, 410), ("the fingerprint aaaa", "expired"), strict=True):
            refusal = await bring(server, dump(replace(state, **other)), f"{SESSIONS}/new/state")
            assert (refusal.status_code, words in refusal.json()["error"]) == (status, True)
            assert (await server.client.get(f"{SESSIONS}/new")).status_code == 404


@on_a_loop
async def test_a_state_of_other_outputs_or_no_room_is_refused():
    async with MemoryServer(max_sessions=1) as server:
        state = await begun(server)
        refusal = await bring(server, state, f"{SESSIONS}/new/state")
        assert (refusal.status_code, refusal.headers["retry-after"].isdigit()) == (429, True)
        refusal = await bring(server, state, "/v2/models/sums/sessions/new/state")
        assert (refusal.status_code, "answer: has the shape" in refusal.json()["error"]) == (400, True)
        refusal = await server.client.put(f"{TALK}/state", json={})
        assert refusal.status_code == 415


@on_a_loop
async def test_a_state_that_is_handed_out_can_be_brought_back():
    async with MemoryServer(max_body_bytes=4000) as server:
        await server.client.post(SESSIONS, json={"id": "talk"})
        whole = np.ones((900, 2), np.float32)
        assert (await step(server, whole[:100], 1)).status_code == 200
        short = (await server.client.get(f"{TALK}/state")).content
        assert load(short).answer is not None
        body = b'{"step":2,"sequence":[' + b"[1,1]," * 600 + b"[1,1]]}"
        headers = {"content-type": "application/json"}
        assert (await server.client.post(f"{TALK}/steps", content=body, headers=headers)).status_code == 200
        state = (await server.client.get(f"{TALK}/state")).content
        assert (len(state) <= 4000, load(state).answer) == (True, None)
        assert (await bring(server, state, f"{SESSIONS}/other/state")).status_code == 201
        rest = (await step(server, whole[701:801], 3, f"{SESSIONS}/other")).json()
        np.testing.assert_array_equal(rest["predictions"][0]["output"], running_sum(whole)[701:801])


@on_a_loop
async def test_a_state_that_is_too_large_for_a_request_is_not_handed_out():
    async with MemoryServer(max_body_bytes=500) as server:
        await server.client.post(SESSIONS, json={"id": "talk", "rows": 64})
        refused = await server.client.get(f"{TALK}/state")
        assert refused.status_code == 413
        assert "CAROUSEL_MAX_BODY_BYTES" in refused.json()["error"]
