"""docs/05-settings.md, made from the settings themselves: `python tests/settings_page.py` writes it anew."""

from __future__ import annotations

from pathlib import Path

from service.settings import PREFIX, Settings

PAGE = Path(__file__).parent.parent / "docs" / "05-settings.md"
_HEAD = """# Settings

Each is an environment variable. Lists are names with commas between, or JSON. One that is wrong keeps the
server from starting, by name; one that does not exist is logged with the one that may be meant.
`carousel serve` has options for the first few.

| variable | default | what |
|---|---|---|
"""


def settings_page() -> str:
    """The page as it is due."""
    rows = [
        f"| `{PREFIX}{name.upper()}` | {_shown(field.default)} | {field.description} |\n"
        for name, field in Settings.model_fields.items()
    ]
    return _HEAD + "".join(rows)


def _shown(default: object) -> str:
    """As somebody would write it."""
    if default is None:
        return ""
    shown = ",".join(default) if isinstance(default, tuple | frozenset) else str(default)
    shown = shown.lower() if isinstance(default, bool) else shown
    return f"`{shown}`" if shown else ""


if __name__ == "__main__":
    PAGE.write_text(settings_page())
