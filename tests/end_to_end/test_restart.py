"""A server ends and another starts: every stream goes on as if nothing had been."""

from __future__ import annotations

import httpx
import numpy as np
from carousel_process import CarouselProcess
from plain_http import NO_TLS

STREAMS = 20
RANDOM = np.random.default_rng(7)
MODELS = {
    "gait": RANDOM.normal(size=(STREAMS, 12, 2)).astype(np.float32).tolist(),
    "letters": ["".join(RANDOM.choice(list("abcdefgh"), 12)) for _ in range(STREAMS)],
}


def outputs(client: httpx.Client, path: str, sequence, **more) -> np.ndarray:
    answer = client.post(path, json={"sequence": sequence, "include_outputs": True} | more)
    assert answer.status_code == 200, answer.text
    return np.asarray(answer.json()["predictions"][0]["output"])


def test_every_stream_goes_on_where_it_was_when_the_server_was_told_to_end(published, tmp_path):
    store = {"session_store": f"dir:{tmp_path / 'sessions'}"}
    firsts = {}
    with (
        CarouselProcess(published, **store) as server,
        httpx.Client(base_url=server.address, verify=NO_TLS) as client,
    ):
        for model, sequences in MODELS.items():
            for number, sequence in enumerate(sequences):
                path = f"/v2/models/{model}/sessions"
                assert client.post(path, json={"id": f"s{number}"}).status_code == 201
                firsts[model, number] = outputs(client, f"{path}/s{number}/steps", sequence[:7], step=1)
    assert server.wait() == 0
    assert f'{{"count":{2 * STREAMS},' in server.said
    with (
        CarouselProcess(published, **store) as server,
        httpx.Client(base_url=server.address, verify=NO_TLS) as client,
    ):
        for model, sequences in MODELS.items():
            for number, sequence in enumerate(sequences):
                path = f"/v2/models/{model}/sessions/s{number}/steps"
                again = outputs(client, path, sequence[:7], step=1)
                np.testing.assert_array_equal(again, firsts[model, number])
                rest = outputs(client, path, sequence[7:], step=2)
                whole = outputs(client, f"/predict/{model}", sequence)
                np.testing.assert_allclose(rest, whole[7:] if model == "letters" else whole, atol=1e-5)
        assert client.post("/v2/models/gait/sessions", json={"id": "s0"}).status_code == 409
        assert client.get("/v2/models/gait/sessions/never").status_code == 404


def test_a_store_that_cannot_be_opened_is_named_at_the_start(published, tmp_path):
    (tmp_path / "file").touch()
    with CarouselProcess(published, session_store=f"dir:{tmp_path / 'file'}") as server:
        assert server.wait() == 1
    assert "CAROUSEL_SESSION_STORE" in server.said
