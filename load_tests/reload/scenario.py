"""Publishes version after version under a closed loop: by the load API, or by a watched folder."""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import uvloop

from load_tests.address import Address
from load_tests.http_connection import HttpConnection, Lost
from load_tests.http_requests import post
from load_tests.lengths import SEED
from load_tests.reload.record import Record
from load_tests.reload.versions import MODEL, SIZE, Versions
from load_tests.server_process import ServerFailed, carousel_server
from service.domain.tensors import Array

_STEPS = 30
_LONGEST_RELOAD_S = 60.0


@dataclass(frozen=True, slots=True)
class ReloadPlan:
    """How many replacements, how long between two, under how many callers."""

    times: int
    pause_s: float
    callers: int = 16
    watch_s: float | None = None


def reloads(plan: ReloadPlan) -> Record:
    sequence = np.random.default_rng(SEED).standard_normal((_STEPS, SIZE.features)).astype(np.float32)
    with tempfile.TemporaryDirectory() as scratch:
        versions = Versions(Path(scratch), sequence)
        versions.publish(1)
        settings = {"model_control": "open", "watch_s": plan.watch_s or "none"}
        with carousel_server(Path(scratch), settings=settings) as server:
            return uvloop.run(_Reloading(plan, versions, server.address, sequence).run())


class _Reloading:
    def __init__(self, plan: ReloadPlan, versions: Versions, address: Address, sequence: Array) -> None:
        self._plan = plan
        self._versions = versions
        self._address = address
        body = orjson.dumps({"sequence": sequence.tolist(), "include_outputs": True})
        self._asked = post(address, f"/predict/{MODEL}", body)
        self._record = Record()
        self._latest = asyncio.Condition()
        self._is_over = False

    async def run(self) -> Record:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._plan.callers):
                group.create_task(self._call())
            await self._replace()
            self._is_over = True
        if not self._versions.are_distinct():
            raise ServerFailed("both versions answer the same: nothing can be told from their answers")
        return self._record

    async def _replace(self) -> None:
        for version in range(2, 2 + self._plan.times):
            await asyncio.sleep(self._plan.pause_s)
            await asyncio.to_thread(self._versions.publish, version)
            began_s = time.perf_counter()
            if self._plan.watch_s is None:
                await self._load()
            async with asyncio.timeout(_LONGEST_RELOAD_S), self._latest:
                while version not in self._record.versions:
                    await self._latest.wait()
            self._record.reloads.append((began_s, time.perf_counter()))
        await asyncio.sleep(self._plan.pause_s)

    async def _load(self) -> None:
        connection = await HttpConnection.open(self._address)
        answer = await connection.ask(post(self._address, f"/v2/repository/models/{MODEL}/load", b"{}"))
        connection.close()
        if answer.status != 200:
            raise ServerFailed(f"load: {answer.status} {answer.body.decode(errors='replace')}")

    async def _call(self) -> None:
        connection = await HttpConnection.open(self._address)
        while not self._is_over:
            if not connection.is_open:
                connection = await HttpConnection.open(self._address)
            await self._ask(connection)
        connection.close()

    async def _ask(self, connection: HttpConnection) -> None:
        sent_s = time.perf_counter()
        try:
            answer = await connection.ask(self._asked)
        except Lost:
            self._record.lost += 1
            return
        ended_s = time.perf_counter()
        if answer.status != 200:
            self._record.lost += 1
            return
        said = orjson.loads(answer.body)
        version = int(said["version"])
        if self._versions.is_right(version, said["predictions"][0]["output"]):
            self._record.answers.append((sent_s, ended_s))
        else:
            self._record.wrong += 1
        if version not in self._record.versions:
            self._record.versions.append(version)
            async with self._latest:
                self._latest.notify_all()
