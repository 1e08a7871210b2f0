"""What a signal's handler may do: it may have interrupted anything, and whatever that holds is not let go."""

from __future__ import annotations

import signal
from types import SimpleNamespace

import pytest
from bench import all_due
from on_a_loop import on_a_loop

from service import server as module
from service.server import _Server


@pytest.fixture
def done(monkeypatch) -> list[str]:
    """What was done, in its order."""
    done: list[str] = []
    monkeypatch.setattr(module, "_logger", SimpleNamespace(info=lambda event, **_: done.append(event)))
    return done


def server_of(done: list[str]) -> _Server:
    server = object.__new__(_Server)
    carousel = SimpleNamespace(
        is_ready=True,
        settings=SimpleNamespace(drain_delay_s=0.0),
        lifecycle=SimpleNamespace(stop_loading=lambda: done.append("loads nothing more")),
    )

    def drain() -> None:
        carousel.is_ready = False
        done.append("not ready")

    carousel.drain = drain
    server._carousel, server._grpc, server.should_exit = carousel, None, False
    server._http = SimpleNamespace(begin=lambda: done.append("http"))
    server._leave = lambda: done.append("left")
    return server


@on_a_loop
async def test_a_signal_is_heard_on_the_loop_and_a_second_one_at_once(done):
    server = server_of(done)
    server.handle_exit(signal.SIGTERM, None)
    # It may stand in the middle of a line of the log, whose lock it would wait for without end.
    assert done == []
    await all_due()
    assert done[:4] == ["draining", "not ready", "loads nothing more", "http"]
    assert not server.should_exit
    server.handle_exit(signal.SIGTERM, None)
    assert server.should_exit


@on_a_loop
async def test_two_signals_before_the_loop_comes_to_them_drain_once(done):
    server = server_of(done)
    server.handle_exit(signal.SIGTERM, None)
    server.handle_exit(signal.SIGINT, None)
    await all_due()
    assert done.count("draining") == 1
    assert server.should_exit
