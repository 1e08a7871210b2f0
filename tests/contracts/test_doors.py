"""Both HTTP doors: bodies that are no request, and content types."""

from __future__ import annotations

import pytest
from doors import DOORS, FINE
from memory_server import MemoryServer
from on_a_loop import on_a_loop


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "body: not valid JSON"),
        (b"{", "body: not valid JSON"),
        (b'{"sequence": [[1, 2]],}', "body: not valid JSON"),
        (b"\xff\xfe", "body: not valid JSON"),
        (b'{"id": "\\ud800"}', "body: not valid JSON"),
        (b"[" * 5000 + b"]" * 5000, "body: not valid JSON"),
        (b"[]", "body: expected a JSON object"),
        (b"null", "body: expected a JSON object"),
        (b'{"sequense": [[1, 2]]}', "body: unknown field sequense, known are"),
        (b"{}", "expected"),
    ],
)
@on_a_loop
async def test_a_body_that_is_no_request_is_refused(body, words, door):
    async with MemoryServer() as server:
        refusal = await server.post(DOORS[door].format("sums"), body)
        assert refusal.status_code == 400
        assert words in refusal.json()["error"]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("content_type", "status"), [
    ("text/plain", 415),
    ("application/x-www-form-urlencoded", 415),
    ("application/octet-stream", 415),
    ("", 415),
    ("application/json", 200),
    ("APPLICATION/JSON; charset=utf-8", 200),
])  # fmt: skip
@on_a_loop
async def test_a_content_type_is_read_as_it_is_named(content_type, status, door):
    async with MemoryServer() as server:
        answer = await server.post(DOORS[door].format("sums"), FINE[door], **{"content-type": content_type})
        assert answer.status_code == status
        assert status == 200 or answer.json()["error"].startswith("content-type: got ")
