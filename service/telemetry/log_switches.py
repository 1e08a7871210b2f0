"""Which severities are logged, changed while the server runs."""

from __future__ import annotations

from typing import Any, NamedTuple

import structlog

_Everything: Any = structlog.make_filtering_bound_logger(0)
_CriticalOnly: Any = structlog.make_filtering_bound_logger(50)
_LEVELS = ("debug", "info", "warning", "error")
# Second names that some loggers' callers know a severity by.
_ALSO = {"info": "msg", "warning": "warn"}


class LogSwitches(NamedTuple):
    """One switch for each severity; what is critical is always logged."""

    debug: bool
    info: bool
    warning: bool
    error: bool

    @classmethod
    def from_level(cls, level: str) -> LogSwitches:
        """The least severity that is logged, and all above it."""
        return cls(*(_LEVELS.index(level) <= place for place in range(len(_LEVELS))))


class SwitchedLogger(_Everything):  # type: ignore[misc]
    """Every logger of the process.

    Loggers are made once and kept, so that a severity which is off costs one call of nothing. To switch,
    the methods of their class are exchanged: that reaches those already made, and asks nobody for a level.
    """

    def log(self, level: int, event: str, **values: Any) -> Any:
        """For levels that are numbers, as the standard library's are."""
        names = (*_LEVELS, "critical")
        return getattr(self, names[min(max(level // 10 - 1, 0), 4)])(event, **values)


_switches = LogSwitches.from_level("debug")


def log_switches() -> LogSwitches:
    """What is logged now."""
    return _switches


def switch_logs(switches: LogSwitches) -> None:
    """Log these severities, and no others, from now on and everywhere in the process."""
    global _switches  # noqa: PLW0603 - what is logged is the process's, as the logger's class is
    _switches = switches
    for level, is_on in switches._asdict().items():
        source = _Everything if is_on else _CriticalOnly
        for name in {level, _ALSO.get(level, level)}:
            setattr(SwitchedLogger, name, getattr(source, name))
            setattr(SwitchedLogger, f"a{name}", getattr(source, f"a{name}"))
