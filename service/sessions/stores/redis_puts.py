"""What is asked of Redis while it answers others goes to it together, next."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple, TypeAlias

from redis.asyncio import Redis

_MOST_AT_ONCE = 64
Script: TypeAlias = tuple[str | bytes | int, ...]
"""The arguments of EVAL."""


class _Waiting(NamedTuple):
    script: Script
    answer: asyncio.Future[None]


class RedisPuts:
    """One pipeline at a time, in the order of asking: packing a command costs less than a turn of its own."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis
        self._waiting: list[_Waiting] = []
        self._sending: asyncio.Task[None] | None = None

    async def put(self, script: Script) -> None:
        """Raises what the script, or the connection, fails with."""
        waiting = _Waiting(script, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        await waiting.answer

    async def _send(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
                _tell(group, await self._outcomes(group))
        finally:
            self._sending = None

    async def _outcomes(self, group: list[_Waiting]) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for waiting in group:
            pipeline.eval(*waiting.script)
        try:
            outcomes: list[Any] = await pipeline.execute(raise_on_error=False)
        except Exception as failure:  # noqa: BLE001 - each caller is told, as it is
            return [failure] * len(group)
        return outcomes


def _tell(group: list[_Waiting], outcomes: list[Any]) -> None:
    for waiting, outcome in zip(group, outcomes, strict=True):
        if waiting.answer.done():
            # Its caller has left.
            continue
        if isinstance(outcome, Exception):
            waiting.answer.set_exception(outcome)
        else:
            waiting.answer.set_result(None)
