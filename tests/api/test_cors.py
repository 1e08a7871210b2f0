"""Pages of other origins may ask where a setting names them."""

from __future__ import annotations

import pytest
from doors import FINE
from memory_server import MemoryServer
from on_a_loop import on_a_loop

OURS = "https://app.example"
PREFLIGHT = {"origin": OURS, "access-control-request-method": "POST"}


@pytest.mark.parametrize("path", ["/predict/sums", "/v2/models/sums"])
@on_a_loop
async def test_without_the_setting_no_answer_speaks_of_origins(path):
    async with MemoryServer() as server:
        for method in ("GET", "POST", "OPTIONS"):
            answer = await server.client.request(method, path, headers=PREFLIGHT)
            assert not [name for name in answer.headers if name.startswith("access-control")]


@on_a_loop
async def test_named_origins_may_ask_at_every_door_and_others_may_not():
    async with MemoryServer(cors_origins=OURS, api_keys="a:infer:" + "0" * 64) as server:
        for path in ("/predict/sums", "/v2/models/sums/infer", "/v2/models/sums", "/v2/health/ready"):
            asked = PREFLIGHT | {"access-control-request-headers": "authorization, content-type"}
            preflight = await server.client.options(path, headers=asked)
            assert preflight.status_code == 200
            assert preflight.headers["access-control-allow-origin"] == OURS
            assert preflight.headers["x-request-id"]
            refused = await server.client.options(path, headers=asked | {"origin": "https://else.example"})
            assert refused.status_code == 400
        refusal = await server.post("/predict/sums", FINE["predict"], origin=OURS)
        assert refusal.status_code == 401
        assert refusal.headers["access-control-allow-origin"] == OURS
        assert "X-Request-Id" in refusal.headers["access-control-expose-headers"]
        assert len(refusal.headers.get_list("x-request-id")) == 1
