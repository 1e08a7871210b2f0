"""A blocking call on a thread of its own: its result arrives, or is released where nobody wants it."""

from __future__ import annotations

import asyncio
import threading

import pytest
from on_a_loop import on_a_loop

from service.backends.daemon_call import called_on_a_daemon


@on_a_loop
async def test_a_result_arrives_and_is_not_released():
    released = []
    assert await called_on_a_daemon(lambda: 7, released.append) == 7
    assert not released


@on_a_loop
async def test_what_is_raised_is_raised_where_it_is_waited_for():
    with pytest.raises(ZeroDivisionError):
        await called_on_a_daemon(lambda: 1 // 0)


@on_a_loop
async def test_the_thread_does_not_outlive_the_process():
    assert await called_on_a_daemon(lambda: threading.current_thread().daemon)


@pytest.mark.parametrize("has_ended", [False, True])
@on_a_loop
async def test_a_result_that_nobody_waits_for_is_released_once(has_ended):
    may_end, is_released = threading.Event(), threading.Event()
    released = []

    def release(made: int) -> None:
        released.append(made)
        is_released.set()

    def call() -> int:
        assert may_end.wait(10)
        return 7

    caller = asyncio.create_task(called_on_a_daemon(call, release))
    await asyncio.wait([caller], timeout=0)
    threads = [thread for thread in threading.enumerate() if thread.name == "daemon-call"]
    if has_ended:
        # Ends while the event loop is held up, so that the result and the cancellation are seen together.
        may_end.set()
        for thread in threads:
            thread.join(10)
    caller.cancel()
    await asyncio.wait([caller])
    may_end.set()
    assert await asyncio.to_thread(is_released.wait, 10)
    assert released == [7]
