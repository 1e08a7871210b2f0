"""`carousel key`: what it prints opens a server, and what goes into the file is not the key."""

from __future__ import annotations

import re

from typer.testing import CliRunner

from cli.main import app
from service.admission.key_file import keys_from_file
from service.admission.keys import digest_of
from service.admission.limits import Limits
from service.admission.roles import Role


def test_a_key_is_told_once_and_what_is_printed_may_be_added_to_the_file_as_it_is(tmp_path):
    path = tmp_path / "keys.toml"
    told = []
    for name in ("alice.b", "bob"):
        result = CliRunner().invoke(app, ["key", name, "--role", "admin"])
        assert result.exit_code == 0
        told.append(re.search(r"^carousel_\S+$", result.stderr, re.MULTILINE).group())
        with path.open("a") as file:
            file.write(result.stdout)
    kept = keys_from_file(path, Limits())
    due = [
        (name, Role.ADMIN, digest_of(key.encode()))
        for name, key in zip(("alice.b", "bob"), told, strict=True)
    ]
    assert [(key.name, key.role, key.digest) for key in kept] == due
    assert not [key for key in told if key in path.read_text()]


def test_a_name_that_cannot_be_one_is_refused():
    result = CliRunner().invoke(app, ["key", "alice b"])
    assert result.exit_code == 2
    assert "1 to 64 letters" in result.output
