"""What is logged, read and changed while the server runs, in the names that Triton's clients use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import structlog

from service.errors import InvalidRequest
from service.telemetry.log_switches import LogSwitches, log_switches, switch_logs

_logger = structlog.get_logger()

LogSettings: TypeAlias = dict[str, bool | int | str]
_SWITCHES = {"log_info": "info", "log_warning": "warning", "log_error": "error"}
_VERBOSE = "log_verbose_level"
_FIXED = {
    "log_file": ("", "the log goes to standard output"),
    "log_format": ("ISO8601", "lines are JSON, or text with CAROUSEL_LOGS_JSON=false at the start"),
}
NAMES = frozenset({*_SWITCHES, _VERBOSE, *_FIXED})
_MOST = (1 << 32) - 1


def log_settings() -> LogSettings:
    """Every setting as it is now; the verbose level is 1 where debugging is logged, else 0."""
    now = log_switches()
    switches = {name: getattr(now, level) for name, level in _SWITCHES.items()}
    fixed = {name: value for name, (value, _) in _FIXED.items()}
    return {**switches, _VERBOSE: int(now.debug), **fixed}


def change_log_settings(asked: Mapping[str, Any]) -> LogSettings:
    """Change those named, all or none; None leaves one as it is. Raises InvalidRequest."""
    given = {name: value for name, value in asked.items() if value is not None}
    changes = dict(_change(name, value) for name, value in given.items() if name not in _FIXED)
    for name in given.keys() & _FIXED.keys():
        _check_unchanged(name, given[name])
    before = log_switches()
    after = before._replace(**changes)
    if after != before:
        _switch(after)
    return log_settings()


def _switch(after: LogSwitches) -> None:
    """Said in between, where it is seen before information is switched off and after it is switched on."""
    switch_logs(log_switches()._replace(info=True))
    _logger.info("log settings changed", **after._asdict())
    switch_logs(after)


def _change(name: str, value: Any) -> tuple[str, bool]:
    """The switch that a setting moves, and whether it is on then."""
    if name == _VERBOSE:
        if type(value) is not int or not 0 <= value <= _MOST:
            raise InvalidRequest(f"{name}: expected a whole number, 0 or more: above 0 logs debugging")
        return "debug", value > 0
    if name not in _SWITCHES:
        raise InvalidRequest(f"{name}: there is no such setting, there are {', '.join(sorted(NAMES))}")
    if type(value) is not bool:
        raise InvalidRequest(f"{name}: expected true or false")
    return _SWITCHES[name], value


def _check_unchanged(name: str, value: Any) -> None:
    fixed, why = _FIXED[name]
    if value != fixed:
        raise InvalidRequest(f'{name}: cannot be changed from "{fixed}": {why}')
