"""`carousel key`: a new API key."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class KeyRole(StrEnum):
    """What its holder may do; an admin may do all."""

    INFER = "infer"
    ADMIN = "admin"


def key(
    name: Annotated[str, typer.Argument(help="Whose it is: the name in logs and metrics.")],
    role: Annotated[KeyRole, typer.Option(help="What its holder may do.")] = KeyRole.INFER,
) -> None:
    """Make an API key: tell it, this once, and print what to add to the file of keys, its digest."""
    from cli.console import err, out
    from service.admission.key_file import NAME_RULE, is_name
    from service.admission.keys import digest_of, new_key

    if not is_name(name):
        raise typer.BadParameter(NAME_RULE)
    made = new_key()
    digest = digest_of(made.encode()).hex()
    # To standard error, so that `>> keys.toml` keeps nothing but what belongs there.
    err.print("The key, for its holder; it is kept nowhere and cannot be shown again:", soft_wrap=True)
    err.print(made, soft_wrap=True)
    err.print("\nThis goes into the file that CAROUSEL_API_KEYS_FILE names:", soft_wrap=True)
    out.print(f'[keys."{name}"]\nsha256 = "{digest}"\nroles = ["{role}"]', markup=False, soft_wrap=True)
