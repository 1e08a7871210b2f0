"""`carousel key`: what it prints opens a server, and what goes into the file is not the key."""

from __future__ import annotations

from typer.testing import CliRunner

from cli.main import app
from service.admission.key_file import keys_from_file
from service.admission.keys import digest_of
from service.admission.limits import Limits
from service.admission.roles import Role


def test_a_key_is_printed_once_with_what_to_add_to_the_file(tmp_path):
    result = CliRunner().invoke(app, ["key", "alice.b", "--role", "admin"])
    assert result.exit_code == 0
    key, _, stanza = result.stdout.partition("\n")
    path = tmp_path / "keys.toml"
    path.write_text(stanza)
    (kept,) = keys_from_file(path, Limits())
    assert (kept.name, kept.role, kept.digest) == ("alice.b", Role.ADMIN, digest_of(key.encode()))
    assert key not in stanza


def test_a_name_that_cannot_be_one_is_refused():
    result = CliRunner().invoke(app, ["key", "alice b"])
    assert result.exit_code == 2
    assert "1 to 64 letters" in result.output
