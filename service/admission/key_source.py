"""The key ring in force, read again when its file changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import structlog

from service.admission.file_watch import FileWatch
from service.admission.key_file import keys_from_file, keys_from_text
from service.admission.keys import KeyRing
from service.admission.limits import Limits
from service.errors import InvalidSettings
from service.settings import Settings

_logger = structlog.get_logger()


class KeySource:
    """`ring()` is None where the settings name no keys at all: then everybody may ask."""

    def __init__(self, settings: Settings, now: Callable[[], float]) -> None:
        self._settings = settings
        self._default = default_limits(settings)
        path = settings.api_keys_file
        # Before the file is read: what changes in between is read again.
        self._watch = None if path is None else FileWatch([path], now)
        self._ring = self._read()
        self._told = ""

    def ring(self) -> KeyRing | None:
        """The keys that hold now; a file that has become unreadable or wrong changes nothing."""
        if self._watch is not None and self._watch.has_changed():
            self._read_again(self._watch)
        return self._ring

    def _read_again(self, watch: FileWatch) -> None:
        try:
            self._ring = self._read()
        except InvalidSettings as failure:
            # The fault may be the machine's, which mends without the file changing: a key that was taken out
            # must not hold for ever because there were too many open files just then.
            watch.look_again()
            if failure.message != self._told:
                _logger.error("API keys not renewed, those from before hold", error=failure.message)  # noqa: TRY400 - a sentence says it
            self._told = failure.message
        else:
            self._told = ""
            names = [key.name for key in self._ring.keys] if self._ring else []
            _logger.info("API keys renewed", names=names)

    def _read(self) -> KeyRing | None:
        path, text = self._settings.api_keys_file, self._settings.api_keys.get_secret_value()
        keys = keys_from_text(text, self._default)
        if path is not None:
            keys += keys_from_file(path, self._default)
        if twice := [name for name, count in Counter(key.name for key in keys).items() if count > 1]:
            raise InvalidSettings(f"CAROUSEL_API_KEYS: {', '.join(twice)} is there twice")
        return KeyRing(keys) if keys else None


def default_limits(settings: Settings) -> Limits:
    """What holds for a key that names no limits of its own, and for all callers without one together."""
    return Limits(settings.requests_per_s, settings.request_burst, settings.concurrent_requests)
