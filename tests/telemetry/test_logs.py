"""Logs: one JSON object a line, whoever wrote it."""

from __future__ import annotations

import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor
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
    logger.info("there is room again")
    logger.info("and still")
    first, second = logged(capsys)
    assert (first["event"], first["lost_lines"]) == ("there is room again", 100)
    assert second["event"] == "and still"
    assert "lost_lines" not in second


@pytest.mark.parametrize(("lines", "size"), [(5_000, 10), (50, 5_000), (3, 200_000)])
def test_a_reader_who_sleeps_holds_nobody_up_and_later_reads_whole_lines(monkeypatch, lines, size):
    configure_logs("info", as_json=True)
    logger = structlog.get_logger()
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "w") as pipe, monkeypatch.context() as patch:
        patch.setattr("sys.stdout", pipe)
        for number in range(lines):
            logger.info("unread", number=number, filler="ä" * size)
        os.set_blocking(reading, False)
        asleep = _read_all(reading)
        logger.info("awake")
        awake = [json.loads(line) for line in _read_all(reading).strip().splitlines()]
    whole, torn = asleep.splitlines(), ""
    if not asleep.endswith("\n"):
        torn = whole.pop()
    assert [json.loads(line)["number"] for line in whole] == list(range(len(whole)))
    assert len(asleep.encode()) > 32_768
    assert bool(torn) is (size > 10)
    assert [(line["event"], line["lost_lines"]) for line in awake] == [("awake", lines - len(whole))]


def _read_all(descriptor: int) -> str:
    read = b""
    while True:
        try:
            read += os.read(descriptor, 1 << 20)
        except BlockingIOError:
            return read.decode(errors="replace")


def test_a_reader_who_is_awake_gets_lines_whole_that_are_longer_than_a_pipe(monkeypatch):
    configure_logs("info", as_json=True)
    logger = structlog.get_logger()
    reading, writing = os.pipe()
    with os.fdopen(reading) as reader, os.fdopen(writing, "w") as pipe, ThreadPoolExecutor(1) as other:
        monkeypatch.setattr("sys.stdout", pipe)
        line = other.submit(reader.readline)
        logger.error("long", filler="x" * 1_000_000)
        assert json.loads(line.result(timeout=20))["filler"] == "x" * 1_000_000
        monkeypatch.undo()


@pytest.mark.parametrize("nothing", [None, "closed"])
def test_where_there_is_no_output_logging_is_no_failure(monkeypatch, nothing):
    configure_logs("info", as_json=True)
    with Path(os.devnull).open("w") as closed:
        pass
    monkeypatch.setattr("sys.stdout", nothing and closed)
    structlog.get_logger().error("to nobody")
    monkeypatch.undo()
