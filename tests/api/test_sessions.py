"""Sessions over REST, and the protocol's sequence parameters: the same streams by two doors."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import running_sum
from memory_server import MemoryServer
from on_a_loop import on_a_loop

WHOLE = np.arange(1, 25, dtype=np.float32).reshape(12, 2)
SESSIONS = "/v2/models/running/sessions"


def infer(steps: np.ndarray, **parameters):
    tensor = {
        "name": "sequence",
        "datatype": "FP32",
        "shape": [1, *steps.shape],
        "data": steps.reshape(-1).tolist(),
    }
    return {"inputs": [tensor], "parameters": parameters}


@on_a_loop
async def test_a_stream_over_rest_from_its_opening_to_its_end():
    async with MemoryServer() as server:
        opened = await server.client.post(SESSIONS, json={"idle_s": 30})
        assert opened.status_code == 201
        path, told = opened.headers["location"], opened.json()
        assert (told["rows"], told["step"], told["idle_s"]) == (1, 0, 30)
        outputs = []
        for number, (start, end) in enumerate(((0, 1), (1, 8), (8, 12)), start=1):
            body = {"sequence": WHOLE[start:end].tolist(), "step": number, "include_outputs": True}
            answer = (await server.client.post(f"{path}/steps", json=body)).json()
            again = (await server.client.post(f"{path}/steps", json=body)).json()
            assert again["predictions"] == answer["predictions"]
            assert (answer["session"], answer["step"]) == (told["session"], number)
            outputs += answer["predictions"][0]["output"]
        np.testing.assert_array_equal(outputs, running_sum(WHOLE))
        assert (await server.client.get(path)).json()["step"] == 3
        assert (await server.client.delete(path)).status_code == 204
        gone = await server.client.post(f"{path}/steps", json={"sequence": [[1, 2]]})
        assert gone.status_code == 410
        assert "has ended: closed" in gone.json()["error"]
        labels = {"model": "running", "version": "1"}
        assert server.metric("sessions_active", **labels) == 0
        assert server.metric("sessions_closed_total", reason="closed", **labels) == 1


@pytest.mark.parametrize(
    "identity", ["a b", "¹é", "\U00054231", "x\r\nSet-Cookie: y", "50%2F50?#", "...", "a\n"]
)
@on_a_loop
async def test_the_location_of_an_opened_session_leads_to_it_whatever_its_id(identity):
    async with MemoryServer() as server:
        opened = await server.client.post(SESSIONS, json={"id": identity})
        assert opened.status_code == 201
        path = opened.headers["location"]
        found = await server.client.get(path)
        assert (found.status_code, found.json()["session"]) == (200, identity)
        stepped = await server.client.post(f"{path}/steps", json={"sequence": [[1, 2]]})
        assert (stepped.status_code, stepped.json()["session"]) == (200, identity)
        assert (await server.client.delete(path)).status_code == 204


@pytest.mark.parametrize("identity", ["a/b", "/", ".", ".."])
@on_a_loop
async def test_an_id_that_no_path_can_name_opens_nothing(identity):
    async with MemoryServer() as server:
        refused = await server.client.post(SESSIONS, json={"id": identity})
        assert (refused.status_code, refused.json()["error"].split(":")[0]) == (400, "id")
        assert server.metric("sessions_active", model="running", version="1") == 0


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("", "POST"), ("/talk", "DELETE, GET"), ("/talk/state", "GET, PUT"), ("/talk/steps", "POST")],
)
@on_a_loop
async def test_another_method_is_told_all_that_there_are(path, allowed):
    async with MemoryServer() as server:
        refused = await server.client.patch(SESSIONS + path)
        assert (refused.status_code, refused.headers["allow"]) == (405, allowed)
        assert refused.json()["error"] == f"method: PATCH is not possible here, use {allowed}"
        assert server.metric("rejected_total", reason="method") == 1


@pytest.mark.parametrize("identity", ["talk", 77])
@on_a_loop
async def test_sequence_parameters_go_on_where_the_last_request_ended(identity):
    async with MemoryServer() as server:
        outputs = []
        for start, end in ((0, 4), (4, 5), (5, 12)):
            body = infer(
                WHOLE[start:end], sequence_id=identity, sequence_start=start == 0, sequence_end=end == 12
            )
            answer = await server.client.post("/v2/models/running/infer", json=body)
            assert answer.status_code == 200, answer.text
            outputs += answer.json()["outputs"][0]["data"]
        np.testing.assert_array_equal(np.reshape(outputs, (-1, 2)), running_sum(WHOLE))
        late = await server.client.post(
            "/v2/models/running/infer", json=infer(WHOLE[:1], sequence_id=identity)
        )
        assert (late.status_code, "has ended" in late.json()["error"]) == (410, True)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"sequence_id": []}, "sequence_id"),
        ({"sequence_id": False}, "sequence_id"),
        ({"sequence_id": 0.0}, "sequence_id"),
        ({"sequence_start": 1}, "sequence_start"),
        ({"sequence_id": 0, "sequence_end": "yes"}, "sequence_end"),
    ],
)
@on_a_loop
async def test_a_sequence_parameter_of_another_type_is_refused_though_it_may_say_none(parameters, field):
    async with MemoryServer() as server:
        refused = await server.client.post("/v2/models/running/infer", json=infer(WHOLE[:1], **parameters))
        assert refused.status_code == 400, refused.text
        assert refused.json()["error"].startswith(f"parameters.{field}: expected")


@on_a_loop
async def test_both_doors_lead_to_the_same_session():
    async with MemoryServer() as server:
        await server.client.post(SESSIONS, json={"id": "talk"})
        await server.client.post(f"{SESSIONS}/talk/steps", json={"sequence": WHOLE[:5].tolist()})
        body = infer(WHOLE[5:], sequence_id="talk")
        answer = (await server.client.post("/v2/models/running/infer", json=body)).json()
        np.testing.assert_array_equal(
            np.reshape(answer["outputs"][0]["data"], (-1, 2)), running_sum(WHOLE)[5:]
        )


FAULTS = [
    ("", {"id": ""}, 400, "id: expected 1 to 128 characters"),
    ("", {"id": 7}, 400, "id: expected 1 to 128 characters"),
    ("", {"id": "x" * 129}, 400, "id: expected 1 to 128 characters"),
    ("", {"rows": 0}, 400, "rows: expected a whole number"),
    ("", {"rows": 10**9}, 400, "rows: expected a whole number from 1 to 1024"),
    ("", {"idle_s": -1}, 400, "idle_s: expected a number above 0"),
    ("", {"row": 1}, 400, "body: unknown field row"),
    ("", {"id": "talk"}, 409, "session: 'talk' is open already"),
    ("/none/steps", {"sequence": [[1, 2]]}, 404, "session: there is no 'none' here"),
    ("/talk/steps", {"sequence": [[1, 2]], "step": 5}, 409, "step: got 5, due is 1"),
    ("/talk/steps", {"sequence": [[1, 2]], "step": 0}, 400, "step: expected a whole number"),
    ("/talk/steps", {"sequence": [[1]]}, 400, "sequence: expected steps x 2"),
    ("/talk/steps", {"sequences": [[[1, 2]], [[1, 2]]]}, 400, "sequence: 2 rows, the session has 1"),
    ("/talk/steps", {"sequence": [[1, 2]], "timeout_ms": 1e-6}, 504, "timeout: the deadline"),
]


@pytest.mark.parametrize(("path", "body", "status", "words"), FAULTS)
@on_a_loop
async def test_faults_are_named_and_the_session_stays_where_it_was(path, body, status, words):
    async with MemoryServer() as server:
        await server.client.post(SESSIONS, json={"id": "talk"})
        refusal = await server.client.post(f"{SESSIONS}{path}", json=body)
        assert refusal.status_code == status
        assert refusal.json()["error"].startswith(words)
        assert (await server.client.get(f"{SESSIONS}/talk")).json()["step"] == 0


@pytest.mark.parametrize(
    ("parameters", "status", "words"),
    [
        ({"sequence_id": "none"}, 404, "session: there is no 'none' here"),
        ({"sequence_id": 1.5}, 400, "parameters.sequence_id: expected a whole number"),
        ({"sequence_id": True}, 400, "parameters.sequence_id: expected a whole number"),
        ({"sequence_id": "x" * 129}, 400, "parameters.sequence_id: expected a whole number"),
        (
            {"sequence_id": 1, "sequence_start": "yes"},
            400,
            "parameters.sequence_start: expected true or false",
        ),
    ],
)
@on_a_loop
async def test_faults_in_sequence_parameters(parameters, status, words):
    async with MemoryServer() as server:
        refusal = await server.client.post("/v2/models/running/infer", json=infer(WHOLE, **parameters))
        assert (refusal.status_code, refusal.json()["error"][: len(words)]) == (status, words)


@on_a_loop
async def test_a_model_on_whole_sequences_has_no_sessions():
    async with MemoryServer(whole_sequences="running") as server:
        refusal = await server.client.post(SESSIONS)
        assert refusal.status_code == 400
        assert refusal.json()["error"].startswith("session: running keeps no state between requests")


@on_a_loop
async def test_a_full_table_says_when_to_come_back():
    async with MemoryServer(max_sessions=1, session_idle_s=40) as server:
        assert (await server.client.post(SESSIONS)).status_code == 201
        refusal = await server.client.post(SESSIONS)
        assert refusal.status_code == 429
        assert 30 <= int(refusal.headers["retry-after"]) <= 40
