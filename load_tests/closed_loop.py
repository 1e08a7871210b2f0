"""A closed loop: so many callers, each with one request in flight."""

from __future__ import annotations

import asyncio
import itertools
import time

from load_tests.address import Address
from load_tests.caller import Caller
from load_tests.tally import Summary, Tally

# Beyond the server's own 30 s deadline nobody will answer any more.
_LAST_ANSWER_S = 40.0


async def drive(address: Address, requests: list[bytes], connections: int, seconds: float) -> Summary:
    """Send the requests in turn over the connections for so many seconds, and wait for the last answers.

    A connection that breaks is counted and opened again; raises OSError where that is refused.
    """
    tally = Tally(itertools.cycle(requests), seconds)
    async with asyncio.timeout(seconds + _LAST_ANSWER_S):
        await asyncio.gather(*(_keep_calling(address, tally) for _ in range(connections)))
    return tally.summary()


async def _keep_calling(address: Address, tally: Tally) -> None:
    loop = asyncio.get_running_loop()
    while not tally.is_over(time.perf_counter()):
        transport, caller = await loop.create_connection(lambda: Caller(tally), address.host, address.port)
        try:
            await caller.left
        finally:
            transport.close()
