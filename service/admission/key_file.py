"""Where keys are written down: a TOML file, or one line in the environment.

A file:

    [keys.alice]
    sha256 = "…"             # what `carousel key alice` printed
    roles = ["infer"]        # or ["admin"]
    requests_per_s = 100     # these four may be left out
    burst = 200
    concurrent = 16
    expires = 2027-01-01     # from midnight UTC on the key is refused
"""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from service.admission.keys import ApiKey
from service.admission.limits import Limits
from service.admission.roles import Role
from service.errors import InvalidSettings
from service.settings import LEAST_PER_S

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
NAME_RULE = "a name is 1 to 64 letters, digits, dots, dashes or underscores"
_ROLES = {"infer": Role.INFER, "admin": Role.ADMIN}


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    sha256: str = Field(pattern="^[0-9a-fA-F]{64}$")
    roles: list[str] = Field(min_length=1)
    requests_per_s: float | None = Field(default=None, ge=LEAST_PER_S, allow_inf_nan=False)
    burst: int | None = Field(default=None, ge=1)
    concurrent: int | None = Field(default=None, ge=1)
    expires: datetime | date | None = None

    @field_validator("roles")
    @classmethod
    def known(cls, roles: list[str]) -> list[str]:
        if unknown := [role for role in roles if role not in _ROLES]:
            raise ValueError(f"there is no role {', '.join(unknown)}, there are infer and admin")
        return roles


def keys_from_file(path: Path, default: Limits) -> list[ApiKey]:
    """Every key of a file; raises InvalidSettings naming the key and the field at fault."""
    where = f"CAROUSEL_API_KEYS_FILE: {path}"
    try:
        written = tomllib.loads(path.read_text("utf-8"))
    except OSError as failure:
        raise InvalidSettings(f"{where}: cannot be read: {failure.strerror}") from None
    except ValueError as failure:
        raise InvalidSettings(f"{where}: is not TOML: {failure}") from None
    entries = written.get("keys")
    if set(written) != {"keys"} or not isinstance(entries, dict) or not entries:
        raise InvalidSettings(f"{where}: expected tables [keys.NAME], one at least, and nothing else")
    return [_key(name, entry, default, f"{where}: keys.{name}") for name, entry in entries.items()]


def keys_from_text(text: str, default: Limits) -> list[ApiKey]:
    """Keys written `name:role:sha256` with semicolons between; raises InvalidSettings, quoting none."""
    keys = []
    for number, part in enumerate((part for part in text.split(";") if part.strip()), 1):
        where = f"CAROUSEL_API_KEYS: number {number}"
        fields = [field.strip() for field in part.split(":")]
        if len(fields) != 3:
            raise InvalidSettings(f"{where}: expected name:role:sha256")
        name, role, digest = fields
        keys.append(_key(name, {"roles": [role], "sha256": digest}, default, where))
    return keys


def is_name(text: str) -> bool:
    """Whether a key may be called so: the name is a label of metrics."""
    return _NAME.fullmatch(text) is not None


def _key(name: str, entry: Any, default: Limits, where: str) -> ApiKey:
    if not is_name(name):
        raise InvalidSettings(f"{where}: {NAME_RULE}")
    try:
        checked = _Entry.model_validate(entry)
    except ValidationError as failure:
        raise InvalidSettings(f"{where}.{_fault(failure)}") from None
    limits = Limits(
        default.requests_per_s if checked.requests_per_s is None else checked.requests_per_s,
        default.burst if checked.burst is None else checked.burst,
        default.concurrent if checked.concurrent is None else checked.concurrent,
    )
    role = max(_ROLES[role] for role in checked.roles)
    return ApiKey(name, bytes.fromhex(checked.sha256), role, limits, _seconds(checked.expires))


def _fault(failure: ValidationError) -> str:
    """Which field and why, without what was given: it may be the key itself."""
    first = failure.errors(include_input=False, include_url=False)[0]
    field = first["loc"][0] if first["loc"] else "entry"
    return f"{field}: {first['msg'].removeprefix('Value error, ')}"


def _seconds(when: datetime | date | None) -> float | None:
    if when is None:
        return None
    if not isinstance(when, datetime):
        when = datetime.combine(when, time())
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
