"""A blocking call that may never return: who waits for it may leave, and so may the process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import TypeVar

_T = TypeVar("_T")


def _keep(made: object) -> None:
    """For results that need no release."""


async def called_on_a_daemon(call: Callable[[], _T], release: Callable[[_T], None] = _keep) -> _T:
    """What `call` returns, or raises, on a thread that the process does not wait for at its end.

    Where the caller is cancelled, what the call makes in the end is given to `release`, on that thread.
    """
    outcome: Future[_T] = Future()

    def work() -> None:
        try:
            made = call()
        except BaseException as failure:  # noqa: BLE001 - raised where it is waited for
            with contextlib.suppress(InvalidStateError):
                outcome.set_exception(failure)
            return
        try:
            outcome.set_result(made)
        except InvalidStateError:
            release(made)

    threading.Thread(target=work, name="daemon-call", daemon=True).start()
    try:
        return await asyncio.wrap_future(outcome)
    except asyncio.CancelledError:
        if not outcome.cancel() and outcome.exception() is None:
            release(outcome.result())
        raise
