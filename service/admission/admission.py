"""The decision: may this caller ask this, and is it within its limits?"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from prometheus_client import Counter

from service.admission.key_source import KeySource, default_limits
from service.admission.keys import ApiKey, KeyRing
from service.admission.limits import Allowance, Limits
from service.admission.roles import Role
from service.domain.caller import Caller, now_asks
from service.errors import Forbidden, Unauthenticated
from service.settings import Settings

ANONYMOUS = "anonymous"
_NOBODY = Limits()


class Admission:
    """From a key that was shown, or none, and the role that is needed, to a place for the request.

    `now` is monotonic, for the limits; `wall_now` are seconds since 1970, for what expires.
    """

    def __init__(
        self,
        settings: Settings,
        admitted: Counter,
        now: Callable[[], float] = time.monotonic,
        wall_now: Callable[[], float] = time.time,
    ) -> None:
        self._keys = KeySource(settings, now)
        self._anonymous = default_limits(settings)
        self._is_model_control_open = settings.model_control == "open"
        self.are_pages_open = settings.open_pages
        self.has_keys = self._keys.ring() is not None
        # Who has no key of ours cannot seal; where nobody has a key, everybody may do everything.
        is_sealed = bool(settings.state_key.get_secret_value() or settings.state_keys_file)
        self.is_state_trusted = is_sealed or not self.has_keys
        self._allowances: dict[str, Allowance] = {}
        self._admitted = admitted
        self._now = now
        self._wall_now = wall_now

    def guarding(self, role: Role) -> Admission | None:
        """Itself, or None where nobody is ever refused what needs this role."""
        if role is Role.EVERYBODY:
            return None
        is_closed = role is Role.ADMIN and not self._is_model_control_open
        is_needed = is_closed or self.has_keys or self._anonymous != _NOBODY
        return self if is_needed else None

    def admit(self, shown: bytes | None, role: Role) -> Allowance:
        """A place to `release` once the request is answered; from now on the context is this caller's.

        Raises Unauthenticated, Forbidden, TooManyConcurrent or RateLimited.
        """
        key = self.caller(shown, role)
        name, limits = (ANONYMOUS, self._anonymous) if key is None else (key.name, key.limits)
        allowance = self._allowance(name, limits)
        allowance.take(name, self._now())
        self._admitted.labels(name).inc()
        if key is not None:
            now_asks(Caller(name, key.role is Role.ADMIN))
        return allowance

    def caller(self, shown: bytes | None, role: Role) -> ApiKey | None:
        """The key, None where there are no keys at all; raises Unauthenticated or Forbidden."""
        ring = self._keys.ring()
        if ring is None:
            self._check_open_to_all(role)
            return None
        key = self._known(ring, shown)
        if key.role < role and not self._is_model_control_open:
            raise Forbidden(f"api key: {key.name} may not do this, it takes a key with the role admin")
        return key

    def _check_open_to_all(self, role: Role) -> None:
        if role is Role.ADMIN and not self._is_model_control_open:
            raise Forbidden(
                "model control: is closed, it takes an API key with the role admin, or the setting "
                "CAROUSEL_MODEL_CONTROL=open"
            )

    def _known(self, ring: KeyRing, shown: bytes | None) -> ApiKey:
        if shown is None:
            raise Unauthenticated("api key: is missing, send Authorization: Bearer KEY or X-API-Key: KEY")
        key = ring.find(shown)
        if key is None:
            raise Unauthenticated("api key: is not known here")
        if key.expires_s is not None and self._wall_now() >= key.expires_s:
            when = datetime.fromtimestamp(key.expires_s, UTC)
            raise Unauthenticated(f"api key: {key.name} expired at {when:%Y-%m-%d %H:%M} UTC")
        return key

    def _allowance(self, name: str, limits: Limits) -> Allowance:
        allowance = self._allowances.get(name)
        if allowance is None:
            allowance = self._allowances[name] = Allowance(limits, self._now())
        # A file that was read again may give other limits; what is running still counts.
        allowance.limits = limits
        return allowance
