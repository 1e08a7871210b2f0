"""Kills servers that put snapshots into a folder, and reads what each leaves: FOLDER LIVES.

Prints `kept SESSION NUMBER` for each put that returned, and `found SESSION NUMBER` after each death.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from itertools import count
from pathlib import Path

from service.sessions.stores.folder import FolderStore


async def put_for_ever(folder: Path, first: int) -> None:
    store = FolderStore(folder, 64 << 20)
    await store.beat("writer", 30.0)
    claims = {name: await store.claim(name, "writer") for name in ("a", "b", "c")}
    for number in count(first):
        for name, claim in claims.items():
            # One is replaced, the others are overwritten in turn.
            is_lasting = name == "a"
            snapshot = b"%010d" % number * 5000
            await store.put(claim, snapshot, time.time() + 1000.0, is_lasting=is_lasting)
            os.write(1, f"kept {name} {number}\n".encode())


def live_and_die(folder: Path, first: int, seconds: float) -> None:
    child = os.fork()
    if child == 0:
        asyncio.run(put_for_ever(folder, first))
    # How long it lives is the fault that is injected: any moment will do.
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


async def report(folder: Path) -> None:
    """Raises ValueError where a snapshot is not whole."""
    store = FolderStore(folder, 64 << 20)
    for name in [session_id async for session_id in store.ids()]:
        snapshot = await store.get(name) or b"-1"
        number = int(snapshot[:10])
        if snapshot != b"%010d" % number * 5000:
            raise ValueError(f"{name} is a mixture")
        os.write(1, f"found {name} {number}\n".encode())
    await store.close()


if __name__ == "__main__":
    chance = random.Random(1)
    for life in range(1, int(sys.argv[2]) + 1):
        live_and_die(Path(sys.argv[1]), life * 1_000_000, chance.uniform(0.02, 0.1))
        asyncio.run(report(Path(sys.argv[1])))
