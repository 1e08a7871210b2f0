"""Logs: one JSON object a line, whoever wrote it."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest
import structlog
from kept_logs import kept_logs

from service.telemetry.log_switches import LogSwitches, switch_logs
from service.telemetry.logs import configure_logs


@pytest.fixture(autouse=True)
def restored_logging():
    with kept_logs():
        yield


def logged(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_an_event_is_one_line_of_json_with_its_level_and_time(capsys):
    configure_logs("info", as_json=True)
    structlog.get_logger().info("listening\nhere", address="http://x", count=3, odd=object)
    (line,) = logged(capsys)
    assert (line["event"], line["address"], line["count"], line["level"]) == (
        "listening\nhere",
        "http://x",
        3,
        "info",
    )
    assert line["timestamp"].endswith("Z")


def test_less_severe_events_are_left_out(capsys):
    configure_logs("warning", as_json=True)
    structlog.get_logger().info("chatter")
    structlog.get_logger().warning("trouble")
    assert [line["event"] for line in logged(capsys)] == ["trouble"]


def test_the_standard_library_s_warnings_go_the_same_way(capsys):
    configure_logs("info", as_json=True)
    logging.getLogger("uvicorn.error").error("could not %s", "bind")
    logging.getLogger("uvicorn.access").info("chatter")
    (line,) = logged(capsys)
    assert (line["event"], line["logger"], line["level"]) == ("could not bind", "uvicorn.error", "error")


def test_a_failure_is_logged_with_its_trace_on_the_same_line(capsys):
    configure_logs("info", as_json=True)
    structlog.get_logger().error("request failed", exc_info=ValueError("deep down"))
    (line,) = logged(capsys)
    assert "ValueError: deep down" in line["exception"]


def test_people_at_a_terminal_get_plain_lines(capsys):
    configure_logs("info", as_json=False)
    structlog.get_logger().info("listening", address="http://x")
    assert "listening" in capsys.readouterr().out


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_each_severity_has_a_switch_that_reaches_loggers_already_made(capsys, level):
    configure_logs("debug", as_json=True)
    logger = structlog.get_logger()
    logger.info("made")
    switch_logs(LogSwitches(**{name: name == level for name in LogSwitches._fields}))
    for name in (*LogSwitches._fields, "exception", "warn", "msg", "critical"):
        getattr(logger, name)("x")
    logger.bind(of="another").log(logging.INFO, "x")
    made, *lines = (line["level"] for line in logged(capsys))
    due = {"debug": 1, "info": 3, "warning": 2, "error": 2}
    assert made == "info"
    assert sorted(lines) == sorted([level] * due[level] + ["critical"])


def test_the_standard_library_s_lines_are_switched_too(capsys):
    configure_logs("info", as_json=True)
    switch_logs(LogSwitches(debug=False, info=True, warning=False, error=True))
    for level in (logging.WARNING, logging.ERROR, logging.CRITICAL):
        logging.getLogger("uvicorn").log(level, "x")
    assert [line["level"] for line in logged(capsys)] == ["error", "critical"]


def test_lines_that_nobody_takes_are_lost_and_nothing_else(capsys, monkeypatch):
    configure_logs("info", as_json=True)
    logger = structlog.get_logger()
    with Path("/dev/full").open("w") as full, monkeypatch.context() as patch:
        patch.setattr("sys.stdout", full)
        for _ in range(100):
            logger.info("lost", filler="x" * 1000)
        # Closing would try to write what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())
    logger.info("there is room again")
    assert [line["event"] for line in logged(capsys)] == ["there is room again"]
