"""Streams over a reload: they go on where the weights are the same, and learn why where they are not."""

from __future__ import annotations

import numpy as np
from changing_models import changing
from on_a_loop import on_a_loop

SESSIONS = "/v2/models/gait/sessions"
WHOLE = [[1.0, 2.0], [3.0, 4.0], [-2.0, 0.5], [0.0, 1.0]]


async def step(server, sequence, path=f"{SESSIONS}/talk/steps"):
    return await server.client.post(path, json={"sequence": sequence, "include_outputs": True})


def test_streams_go_on_with_the_same_weights_and_end_with_others(contents, tmp_path):
    @on_a_loop
    async def reload_twice():
        contents.put(tmp_path, "a")
        async with changing(tmp_path) as server:
            await server.client.post(SESSIONS, json={"id": "talk"})
            assert (await step(server, WHOLE[:2])).status_code == 200
            contents.put(tmp_path, "a", version="2")
            assert (await server.load()).status_code == 200
            rest = (await step(server, WHOLE[2:])).json()
            assert (rest["version"], rest["step"]) == ("2", 2)
            whole = (await step(server, WHOLE, "/predict/gait")).json()
            output, due = (answer["predictions"][0]["output"] for answer in (rest, whole))
            np.testing.assert_allclose(output, due, atol=1e-5)
            contents.put(tmp_path, "b", version="3")
            assert (await server.load()).status_code == 200
            refusal = await step(server, WHOLE)
            assert (refusal.status_code, "model_changed" in refusal.json()["error"]) == (409, True)
            assert (await server.client.post(SESSIONS, json={"id": "talk"})).status_code == 201
            assert (await server.unload()).status_code == 200
            await server.all_left()
            assert (await step(server, WHOLE)).status_code == 404
            assert (await server.load()).status_code == 200
            assert (await step(server, WHOLE)).status_code == 404

    reload_twice()
