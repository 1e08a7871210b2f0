"""A question, an answer and a refusal as no door in particular words them, and the servers that are asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
from grpc_door import GrpcDoor
from serving import running

from service.app import Carousel
from service.errors import CarouselError
from service.settings import Settings


@dataclass(frozen=True)
class Served:
    """Ways to one server."""

    http: httpx.AsyncClient
    grpc: grpc.aio.Channel

    @classmethod
    def by(cls, door: GrpcDoor) -> Served:
        return cls(door.memory.client, door.channel)


@asynccontextmanager
async def serving_bundles(models_dir: Path, **settings: Any) -> AsyncIterator[Served]:
    """Real bundles on their real engines."""
    carousel = Carousel(Settings(models_dir=models_dir, engines=(), **settings))
    transport = httpx.ASGITransport(app=carousel)
    server = carousel.grpc_server()
    async with running(carousel), httpx.AsyncClient(transport=transport, base_url="http://carousel") as http:
        async with grpc.aio.insecure_channel(await server.start(0)) as channel:
            yield Served(http, channel)
        await server.stop()


@dataclass(frozen=True)
class Question:
    """Sequences, each `[steps, *step]`, for one model; `parameters` are further ones of the v2 protocol."""

    model: str
    sequences: list[np.ndarray]
    version: str | None = None
    identity: str = ""
    timeout_s: float | None = None
    parameters: dict[str, str | bool] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return self.model if self.version is None else f"{self.model}/versions/{self.version}"

    def padded(self, padding: float) -> tuple[np.ndarray, np.ndarray]:
        """`sequence [batch, time, *step]`, `padding` past each row's end, and `lengths [batch]`."""
        lengths = np.array([len(sequence) for sequence in self.sequences], np.int32)
        shape = (len(lengths), lengths.max(), *self.sequences[0].shape[1:])
        rows = np.full(shape, padding, self.sequences[0].dtype)
        for row, sequence in zip(rows, self.sequences, strict=True):
            row[: len(sequence)] = sequence
        return rows, lengths


@dataclass(frozen=True)
class Answered:
    """One output per sequence; `identity` is None where the door has none."""

    outputs: list[np.ndarray]
    version: str
    identity: str | None = None

    @property
    def bits(self) -> list[bytes]:
        return [output.tobytes() for output in self.outputs]


@dataclass
class Refusal(Exception):
    """`code` is an HTTP status or a gRPC code's name, None in a gRPC stream, which has messages only.

    `reason` is the word for it that a WebSocket has.
    """

    code: int | str | None
    message: str
    retry_after: str | None = None
    reason: str | None = None

    def is_of(self, kind: type[CarouselError]) -> bool:
        is_so_coded = self.code in (None, kind.http_status, kind.grpc_code)
        return is_so_coded and self.reason in (None, kind.reason)
