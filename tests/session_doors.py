"""A session as each door has it: steps of several rows in the door's own words, numbers and refusals out."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import websockets
from every_door import DOORS, Door
from live_bundles import LiveBundles
from questions import Question, Refusal
from stream_client import Client

Rows = list[np.ndarray]


@dataclass
class Talk:
    """What a client knows of its session; `token` it has where it opened it over a WebSocket."""

    model: str
    id: str
    rows: int = 1
    is_open: bool = False
    token: str | None = None

    @property
    def path(self) -> str:
        return f"/v2/models/{self.model}/sessions/{self.id}"


class Line(ABC):
    """A client at one door, with a session to talk of."""

    @abstractmethod
    async def step(self, rows: Rows, number: int | None = None, *, ends: bool = False) -> Rows:
        """The outputs, one a row, each `[vectors, width]`; the first step opens the session. Or Refusal."""


class SessionDoor(ABC):
    """A way to have a session; `has_numbers` says whether its steps may be numbered."""

    has_numbers = True

    @abstractmethod
    def line(self, served: LiveBundles, talk: Talk) -> AbstractAsyncContextManager[Line]:
        """For as long as it lasts; raises Refusal where it is refused at once."""


class _RestLine(Line):
    def __init__(self, served: LiveBundles, talk: Talk) -> None:
        self._served, self._talk = served, talk

    async def step(self, rows: Rows, number: int | None = None, *, ends: bool = False) -> Rows:
        talk = self._talk
        if not talk.is_open:
            opening = {"id": talk.id, "rows": talk.rows}
            await self._asked("POST", f"/v2/models/{talk.model}/sessions", json=opening)
            talk.is_open = True
        body = {"sequences": [row.tolist() for row in rows], "include_outputs": True}
        told = await self._asked(
            "POST", f"{talk.path}/steps", json=body | ({"step": number} if number else {})
        )
        assert number in (None, told["step"])
        if ends:
            await self._asked("DELETE", talk.path)
        return [_vectors(each["output"]) for each in told["predictions"]]

    async def _asked(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        reply = await self._served.http.request(method, path, **content)
        if reply.is_error:
            raise Refusal(reply.status_code, reply.json()["error"])
        return json.loads(reply.content or b"{}")


class Rest(SessionDoor):
    """POST …/sessions and below."""

    @asynccontextmanager
    async def line(self, served: LiveBundles, talk: Talk) -> AsyncIterator[Line]:
        yield _RestLine(served, talk)


class _SequenceLine(Line):
    def __init__(self, door: Door, served: LiveBundles, talk: Talk) -> None:
        self._door, self._served, self._talk = door, served, talk

    async def step(self, rows: Rows, number: int | None = None, *, ends: bool = False) -> Rows:
        assert number is None, "these steps have no numbers"
        talk = self._talk
        flags = {"sequence_id": talk.id, "sequence_start": not talk.is_open, "sequence_end": ends}
        answered = await self._door.infer(self._served, Question(talk.model, rows, parameters=flags))
        talk.is_open = True
        return [_vectors(output) for output in answered.outputs]


class Sequence(SessionDoor):
    """The `sequence_…` parameters of the Open Inference Protocol."""

    has_numbers = False

    def __init__(self, door: Door) -> None:
        self._door = door

    @asynccontextmanager
    async def line(self, served: LiveBundles, talk: Talk) -> AsyncIterator[Line]:
        yield _SequenceLine(self._door, served, talk)


class _StreamLine(Line):
    def __init__(self, client: Client, width: int, *, is_binary: bool) -> None:
        self._client, self._width, self._is_binary = client, width, is_binary

    async def step(self, rows: Rows, number: int | None = None, *, ends: bool = False) -> Rows:
        if self._is_binary:
            await self._client.say_binary(*rows, step=number or 0)
        else:
            counted = {"step": number} if number else {}
            await self._client.say("step", sequences=[row.tolist() for row in rows], **counted)
        answer = await self._client.hear_either(self._width)
        if isinstance(answer, dict):
            told = _unless_refused(answer)
            answered, outputs = told["step"], [_vectors(output) for output in told["outputs"]]
        else:
            answered, outputs = answer.step, [_vectors(output) for output in answer.outputs]
        assert number in (None, answered)
        if ends:
            assert await self._client.ask("close") == {"type": "closed", "reason": "closed"}
        return outputs


class WebSocket(SessionDoor):
    """A stream, open or come back to with the token of whoever opened the session over a WebSocket."""

    def __init__(self, *, is_binary: bool) -> None:
        self._is_binary = is_binary

    @asynccontextmanager
    async def line(self, served: LiveBundles, talk: Talk) -> AsyncIterator[Line]:
        terms = (
            {"rows": talk.rows, "resumable": True} if not talk.is_open else {"resume": talk.token or "none"}
        )
        url = f"{served.ws}/v2/models/{talk.model}/stream"
        async with websockets.connect(url, compression=None, ping_interval=None) as socket:
            client = Client(socket)
            told = _unless_refused(await client.ask("open", session=talk.id, **terms))
            talk.is_open, talk.token = True, told["token"]
            assert told["rows"] == talk.rows
            width = int(np.prod(told["output"]["shape"]))
            yield _StreamLine(client, width, is_binary=self._is_binary)


def _unless_refused(told: dict[str, Any]) -> dict[str, Any]:
    if told["type"] == "error":
        raise Refusal(told["status"], told["message"], reason=told["code"])
    return told


def _vectors(output: Any) -> np.ndarray:
    values = np.asarray(output, np.float32)
    return values[np.newaxis] if values.ndim == 1 else values


SESSION_DOORS: dict[str, SessionDoor] = {
    "REST": Rest(),
    "v2 in JSON": Sequence(DOORS["v2 in JSON"]),
    "v2 in bytes": Sequence(DOORS["v2 in bytes"]),
    "gRPC": Sequence(DOORS["gRPC, raw"]),
    "gRPC stream": Sequence(DOORS["gRPC stream"]),
    "WebSocket in JSON": WebSocket(is_binary=False),
    "WebSocket in bytes": WebSocket(is_binary=True),
}


async def refusal(door: SessionDoor, served: LiveBundles, talk: Talk, rows: Rows, **how: Any) -> Refusal:
    """How a step is refused, or the line for it."""
    try:
        async with door.line(served, talk) as line:
            await line.step(rows, **how)
    except Refusal as refused:
        return refused
    raise AssertionError("was answered")
