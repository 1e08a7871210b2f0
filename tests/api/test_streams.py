"""A session's steps over a WebSocket: what is said, and what is answered."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fakes import running_sum
from hypothesis import given, settings
from hypothesis import strategies as st
from live_server import LiveServer, request
from memory_server import SYMBOLS
from on_a_loop import on_a_loop
from stream_client import binary_step, connected, offer, refusal, streaming


@on_a_loop
async def test_a_stream_says_what_it_is_and_how_it_ended():
    async with LiveServer(stream_credits=3) as server:
        async with streaming(server, "running", rows=2, idle_s=5, ttl_s=50) as (client, told):
            assert told | {"session": "", "ttl_s": 50} == {
                "type": "opened",
                "session": "",
                "rows": 2,
                "step": 0,
                "idle_s": 5.0,
                "ttl_s": 50,
                "credits": 3,
                "model": "running",
                "version": "1",
                "input": {"datatype": "FP32", "shape": [2]},
                "output": {"datatype": "FP32", "shape": [2], "every_step": True},
            }
            assert await client.ask("close") == {"type": "closed", "reason": "closed"}
            assert await client.closed() == (1000, "closed")
        assert server.memory.metric("streams_closed_total", code="1000", reason="closed") == 1
        assert server.memory.metric("streams_open") == 0
        path = f"/v2/models/running/sessions/{told['session']}"
        assert (await server.memory.client.get(path)).status_code == 410


@pytest.mark.parametrize("model", ["sums", "running"])
@on_a_loop
async def test_either_form_has_the_numbers_of_predict(model):
    sequence = np.array([[1, 2], [3, 4], [0.1, -0.7]], np.float32)
    async with LiveServer() as server:
        body = {"sequence": sequence.tolist(), "include_outputs": True}
        whole = (await server.memory.post(f"/predict/{model}", body)).json()["predictions"][0]["output"]
        async with streaming(server, model) as (client, _):
            said = await client.ask("step", sequence=sequence.tolist())
            assert (said["step"], said["device"], said["degraded"]) == (1, "fake", False)
            assert said["outputs"] == [whole]
            assert set(said["timings_ms"]) == {"queue", "batch", "compute"}
        async with streaming(server, model) as (client, _):
            await client.say_binary(sequence)
            answer = await client.hear_binary()
            assert (answer.step, answer.device, answer.is_degraded) == (1, "fake", False)
            np.testing.assert_array_equal(answer.outputs[0], np.float32(whole).reshape(-1, 2))


CHUNKS = st.lists(
    st.tuples(st.booleans(), st.lists(st.integers(1, 4), min_size=2, max_size=2)), min_size=1, max_size=6
)


@given(CHUNKS)
@settings(max_examples=12)
def test_any_chunks_of_several_rows_in_any_form_make_the_whole(chunks):
    rows = [
        np.arange(2 * sum(lengths[row] for _, lengths in chunks), dtype=np.float32).reshape(-1, 2) + row
        for row in range(2)
    ]

    @on_a_loop
    async def scenario():
        said = ([], [])
        async with LiveServer() as server, streaming(server, "running", rows=2) as (client, _):
            starts = [0, 0]
            for number, (is_binary, lengths) in enumerate(chunks, 1):
                ends = [start + length for start, length in zip(starts, lengths, strict=True)]
                parts = [row[start:end] for row, start, end in zip(rows, starts, ends, strict=True)]
                if is_binary:
                    await client.say_binary(*parts, step=number)
                    outputs = (await client.hear_binary()).outputs
                else:
                    told = await client.ask("step", sequences=[part.tolist() for part in parts])
                    outputs = told["outputs"]
                for row in range(2):
                    said[row].extend(outputs[row])
                starts = ends
        for row in range(2):
            np.testing.assert_array_equal(np.array(said[row]), running_sum(rows[row]))

    scenario()


@on_a_loop
async def test_a_step_sent_again_is_answered_again_and_a_gap_leaves_the_stream_open():
    async with LiveServer() as server, streaming(server) as (client, _):
        first = await client.ask("step", step=1, sequence=[[1, 2]])
        again = await client.ask("step", step=1, sequence=[[1, 2]])
        assert again["outputs"] == first["outputs"]
        gap = await client.ask("step", step=3, sequence=[[1, 2]])
        assert gap == {
            "type": "error",
            "code": "out_of_order",
            "status": 409,
            "message": "step: got 3, due is 2",
            "step": 3,
            "final": False,
        }
        assert (await client.ask("step", step=2, sequence=[[1, 2]]))["outputs"] == [[2.0, 21.0]]


@on_a_loop
async def test_after_an_error_a_step_without_a_number_is_refused_until_one_with_it_was_answered():
    async with LiveServer() as server, streaming(server) as (client, _):
        for message in ({"sequence": [[1]]}, {"sequence": [[1, 2]]}, {"sequence": [[5, 5]]}):
            await client.say("step", **message)
        assert [(await client.hear())["code"] for _ in range(3)] == [
            "invalid",
            "out_of_order",
            "out_of_order",
        ]
        assert (await client.ask("step", step=1, sequence=[[1, 2]]))["step"] == 1
        assert (await client.ask("step", sequence=[[1, 2]]))["step"] == 2


@on_a_loop
async def test_text_is_a_sequence_where_steps_are_symbols_and_its_ids_are_one_in_a_binary_frame():
    async with LiveServer() as server, streaming(server, "letters") as (client, told):
        assert told["input"] == {"datatype": "INT32", "shape": [], "symbols": list(SYMBOLS)}
        said = await client.ask("step", sequence="abc")
        async with streaming(server, "letters") as (other, _):
            await other.say_binary(np.arange(3, dtype=np.int32))
            np.testing.assert_array_equal((await other.hear_binary()).outputs[0], said["outputs"][0])


@on_a_loop
async def test_a_step_may_have_a_deadline_and_one_that_is_late_leaves_the_session_where_it_was():
    async with LiveServer() as server, streaming(server) as (client, _):
        held = await server.memory.hold()
        late = await client.ask("step", step=1, sequence=[[1, 2]], timeout_ms=50)
        assert (late["status"], late["step"], late["final"]) == (504, 1, False)
        server.memory.backends["sums"].gate.set()
        await held
        assert (await client.ask("step", step=1, sequence=[[1, 2]]))["outputs"] == [[1.0, 7.0]]


@on_a_loop
async def test_a_stream_is_opened_by_its_address_too():
    async with LiveServer() as server:
        query = "?session=talk&rows=2&idle_s=7.5&resumable=true"
        async with connected(server, query=query) as client:
            told = await client.hear()
            assert (told["session"], told["rows"], told["idle_s"]) == ("talk", 2, 7.5)
            assert len(told["token"]) == 32
            again = await client.ask("open")
            assert (again["status"], again["message"]) == (400, "type: the stream is open already")
        for query, message in {
            "?rows=none": "rows: expected a whole number, 1 or more",
            "?resumable=perhaps": "resumable: expected true or false",
            "?rows=1&rows=2": "rows: is unknown or there twice",
            "?color=red": "color: is unknown or there twice",
            "?resume=abc": "resume: expected the token of the session that is named",
        }.items():
            reply = await refusal(server, f"/v2/models/sums/stream{query}")
            assert reply.status == 400
            assert reply.error.startswith(message)


REFUSED_OPENINGS = {
    "not json": ("opener", 400, "body: not valid JSON"),
    "a step": (json.dumps({"type": "step", "sequence": [[1, 2]]}), 400, "type: expected open"),
    "a binary step": (binary_step(np.ones((1, 2), np.float32)), 400, "type: expected open"),
    "too many rows": (json.dumps({"type": "open", "rows": 9999}), 400, "rows: expected a whole number"),
    "an id that is open": (json.dumps({"type": "open", "session": "taken"}), 409, "session: 'taken' is open"),
    "a foreign field": (
        json.dumps({"type": "open", "sequence": []}),
        400,
        "sequence: does not belong to open",
    ),
    "terms with a token": (
        json.dumps({"type": "open", "session": "a", "resume": "b", "rows": 1}),
        400,
        "resume:",
    ),
    "a lost session": (
        json.dumps({"type": "open", "session": "a", "resume": "b"}),
        404,
        "session: there is no",
    ),
}


@pytest.mark.parametrize("case", REFUSED_OPENINGS)
@on_a_loop
async def test_an_opening_that_is_refused_is_told_why_and_closed(case):
    said, status, message = REFUSED_OPENINGS[case]
    async with LiveServer() as server, streaming(server, session="taken") as (neighbour, _):
        async with connected(server) as client:
            await client.socket.send(said)
            told = await client.hear()
            assert (told["status"], told["final"]) == (status, True)
            assert told["message"].startswith(message)
            assert await client.closed() == (4000 + status, told["code"])
        assert (await neighbour.ask("step", sequence=[[1, 2]]))["step"] == 1


@on_a_loop
async def test_who_opens_nothing_is_sent_away():
    async with LiveServer(header_timeout_s=0.05) as server, connected(server) as client:
        told = await client.hear()
        assert (told["status"], told["message"]) == (408, "open: not received within 0.05 s")
        assert await client.closed() == (4408, "header_timeout")


@on_a_loop
async def test_a_held_session_is_stepped_by_its_stream_alone_and_ended_by_anybody():
    async with LiveServer() as server, streaming(server, session="mine") as (client, _):
        steps = {"sequence": [[1, 2]]}
        refused = await server.memory.post("/v2/models/sums/sessions/mine/steps", steps)
        assert refused.status_code == 409
        assert refused.json()["error"] == "session: 'mine' belongs to a stream: send its steps there"
        assert (await client.ask("step", **steps))["outputs"] == [[1.0, 7.0]]
        assert (await server.memory.client.get("/v2/models/sums/sessions/mine")).json()["step"] == 1
        assert (await server.memory.client.delete("/v2/models/sums/sessions/mine")).status_code == 204
        assert await client.hear() == {"type": "closed", "reason": "closed"}
        assert await client.closed() == (4410, "closed")


@pytest.mark.parametrize("limit", ["idle", "ttl"])
@on_a_loop
async def test_the_end_of_a_session_by_its_limits_is_told(limit):
    async with LiveServer() as server, streaming(server, **{f"{limit}_s": 60}) as (client, _):
        server.memory.clock.skipped_s += 61
        server.memory.carousel.registry.find("sums").sessions.sweep()
        assert await client.hear() == {"type": "closed", "reason": limit}
        assert await client.closed() == (4410, limit)
        assert server.memory.metric("streams_closed_total", code="4410", reason=limit) == 1


@on_a_loop
async def test_the_path_in_plain_http_says_what_to_ask_instead():
    async with LiveServer() as server:
        reply = await server.ask(request("/v2/models/sums/stream", b"", "GET"))
        assert (reply.status, reply.headers["upgrade"]) == (426, "websocket")
        assert reply.error.startswith("stream: is a WebSocket")


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ((b"Sec-WebSocket-Key: AAAA", b"Sec-WebSocket-Key: !"), 400, "websocket: Failed to open"),
        ((b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 8"), 400, "websocket: Failed to open"),
        ((b"\r\n\r\n", b"\r\n\r\nframes"), 400, "websocket: frames were sent before"),
        ((b"Upgrade: websocket", b"Upgrade: h2c"), 426, "stream: is a WebSocket"),
        ((b"/sums/stream", b"/sums/streams"), 404, "Not Found"),
        ((b"/sums/stream", b"/nobody/stream"), 404, "model: there is no nobody"),
    ],
)
@on_a_loop
async def test_an_offer_that_cannot_be_taken_up_is_answered_in_http(change, status, message):
    async with LiveServer() as server:
        reply = await server.ask(offer("/v2/models/sums/stream").replace(*change))
        assert (reply.status, reply.error[: len(message)]) == (status, message)


@on_a_loop
async def test_whoever_has_been_told_goodbye_has_let_his_session_go():
    async with LiveServer() as server:
        coming_back = {"resumable": True}
        for number in range(1, 30):
            async with streaming(server, "running", session="mine", **coming_back) as (_, told):
                coming_back = {"resume": told["token"]}
            steps = {"sequence": [[1, 2]], "step": number}
            stepped = await server.memory.post("/v2/models/running/sessions/mine/steps", steps)
            assert stepped.status_code == 200, stepped.json()
