"""Keys for tests: what is sent, and what a file says of it."""

from __future__ import annotations

from pathlib import Path

from service.admission.keys import digest_of

KEYS = {"user": "infer-key", "boss": "admin-key", "late": "expired-key"}


def entry(name: str, key: str, role: str = "infer", *further: str) -> str:
    """A table of the file; `further` are its other lines."""
    return "\n".join(
        [f"[keys.{name}]", f'sha256 = "{digest_of(key.encode()).hex()}"', f'roles = ["{role}"]', *further, ""]
    )


def key_file(folder: Path) -> Path:
    """A file of an `infer` key, an `admin` key, and one that has expired."""
    path = folder / "keys.toml"
    path.write_text(
        entry("user", KEYS["user"])
        + entry("boss", KEYS["boss"], "admin")
        + entry("late", KEYS["late"], "admin", "expires = 2020-01-01")
    )
    return path
