"""When an engine is taken out of use, and how patiently it is probed."""

from __future__ import annotations

from service.backends.circuit_breaker import CircuitBreaker


def test_three_failures_in_a_row_open_it():
    breaker = CircuitBreaker()
    assert [breaker.failed() for _ in range(3)] == [False, False, True]
    assert breaker.is_open


def test_a_success_between_failures_keeps_it_closed():
    breaker = CircuitBreaker()
    for _ in range(5):
        breaker.failed()
        breaker.failed()
        breaker.succeeded()
    assert not breaker.is_open


def test_a_grave_failure_opens_it_at_once():
    assert CircuitBreaker().failed(is_grave=True)


def test_opening_is_told_once():
    breaker = CircuitBreaker()
    assert [breaker.failed(is_grave=True) for _ in range(3)] == [True, False, False]


def test_pauses_double_up_to_a_minute_and_start_anew_after_recovery():
    breaker = CircuitBreaker()
    breaker.failed(is_grave=True)
    pauses = []
    for _ in range(8):
        pauses.append(breaker.pause_s)
        breaker.probe_failed()
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    breaker.probe_succeeded()
    assert not breaker.is_open
    assert [breaker.failed() for _ in range(3)] == [False, False, True]
    assert breaker.pause_s == 1
