"""The calls that are being answered, so that the last of them can be waited for."""

from __future__ import annotations

import asyncio

from service.errors import Unavailable

# A call that gRPC has but has not handed over is cancelled when the server stops: no client is told to retry.
_QUIET_S = 0.02
_MOST_LOOKS = 25


class InFlight:
    """Calls that are being answered: `with in_flight:` around each."""

    def __init__(self) -> None:
        self._count = self._begun = 0
        self._is_closed = False
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    def __enter__(self) -> None:
        self._count += 1
        self._begun += 1
        self._is_idle.clear()

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        if not self._count:
            self._is_idle.set()

    def close(self) -> None:
        """Refuse every call that comes from now on."""
        self._is_closed = True

    def check_open(self) -> None:
        """Raises Unavailable once closed."""
        if self._is_closed:
            raise Unavailable("call: the server is shutting down")

    async def all_answered(self) -> None:
        await self._is_idle.wait()

    async def quiet(self) -> None:
        """Wait until no more calls come to be refused; not for ever, since some clients never cease."""
        for _ in range(_MOST_LOOKS):
            before = self._begun
            await asyncio.sleep(_QUIET_S)
            if self._begun == before:
                return
