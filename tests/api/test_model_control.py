"""Bodies of load and unload: what may be in them, and what is refused in which words."""

from __future__ import annotations

import json

import pytest
from memory_server import MemoryServer
from on_a_loop import on_a_loop

from service.api.open_inference.load_parameters import load_policy
from service.domain.version_policy import ALL, LATEST, VersionPolicy
from service.errors import InvalidRequest


@pytest.mark.parametrize(
    ("choice", "due"),
    [
        ({"all": {}}, ALL),
        ({"latest": {}}, LATEST),
        ({"latest": {"num_versions": 3}}, VersionPolicy(latest=3)),
        ({"specific": {"versions": [1, "3"]}}, VersionPolicy(listed=frozenset({"1", "3"}))),
    ],
)
def test_a_version_policy_is_read_as_protobuf_writes_it(choice, due):
    config = json.dumps({"name": "sums", "version_policy": choice})
    assert load_policy("sums", {"config": config}) == due
    assert load_policy("sums", {"config": "{}"}) is None


@pytest.mark.parametrize(
    "choice",
    [
        {},
        [],
        {"all": {}, "latest": {}},
        {"latest": {"num_versions": 0}},
        {"latest": {"num_versions": True}},
        {"specific": {"versions": []}},
        {"specific": {"versions": [-1]}},
        {"specific": {"versions": ["one"]}},
        {"specific": {"versions": ["1".zfill(19) + "9" * 5000]}},
        {"newest": {}},
    ],
)
def test_another_choice_is_refused_with_those_there_are(choice):
    with pytest.raises(InvalidRequest, match=r"parameters.config.version_policy: expected .*latest"):
        load_policy("sums", {"config": json.dumps({"version_policy": choice})})


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("sums/load", b"[]", 400, "body: expected a JSON object"),
        ("sums/load", b'{"config": "{}"}', 400, "body: unknown field config"),
        ("sums/load", b'{"parameters": 3}', 400, "parameters: expected an object"),
        ("sums/load", b'{"parameters": {"config": {}}}', 400, "parameters.config: expected a JSON object as"),
        ("sums/load", b'{"parameters": {"confg": ""}}', 400, "parameters.confg: is not known, only config"),
        ("sums/load", b'{"parameters": {"config": "{\\"name\\": \\"x\\"}"}}', 400, "parameters.config.name:"),
        ("sums/unload", b'{"parameters": {"unload_dependents": 1}}', 400, "parameters.unload_dependents:"),
        ("sums/unload", b'{"parameters": {"force": true}}', 400, "parameters.force: is not known"),
        ("sums/load", b" " * (1 << 21), 413, "body: 2097152 bytes or more"),
        ("sums/load", b"", 404, "model: there is no sums in models_dir"),
        ("..%2Fmodels/load", b"{}", 404, ""),
        ("%2E%2E/load", b"{}", 404, ""),
        (".hidden/load", b"{}", 404, "model: there is no .hidden in models_dir"),
        ("a%00b/load", b"{}", 404, "model: there is no a\0b in models_dir"),
    ],
)
@on_a_loop
async def test_what_is_not_asked_for_rightly_is_refused_and_changes_nothing(
    path, body, status, words, tmp_path
):
    async with MemoryServer(models_dir=tmp_path) as server:
        refusal = await server.post(f"/v2/repository/models/{path}", body)
        assert refusal.status_code == status
        assert refusal.json()["error"].startswith(words)
        assert (await server.post("/predict/sums", {"sequence": [[1, 2]]})).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{}", b'{"parameters": {"unload_dependents": false}}'])
@on_a_loop
async def test_unloading_answers_with_an_empty_body_and_the_documentation_follows(body, tmp_path):
    async with MemoryServer(models_dir=tmp_path) as server:
        before = (await server.client.get("/openapi.json")).json()
        answer = await server.post("/v2/repository/models/sums/unload", body)
        assert (answer.status_code, answer.content) == (200, b"")
        assert (await server.client.get("/openapi.json")).json().keys() == before.keys()
        assert [model.manifest.name for model in server.carousel.registry.models] == ["letters", "running"]
