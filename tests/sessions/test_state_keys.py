"""Keys are read from the environment and from a file, and never quoted."""

from __future__ import annotations

import pytest

from service.errors import InvalidSettings
from service.sessions.state_keys import read_state_keys

_A, _B = "0a" * 32, "0B" * 32


def test_the_environments_key_comes_first_then_the_files_each_once(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"# rotated in May\n{_A}\n\n  {_B}  # until June\n")
    keys = read_state_keys(_B, file)
    assert [key.secret for key in keys] == [bytes.fromhex(_B), bytes.fromhex(_A)]
    assert len({key.key_id for key in keys}) == 2


def test_no_key_is_no_error():
    assert read_state_keys("", None) == ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"{_A}\nsecretsecret\n".encode(), "line 2: expected 64 hex digits"),
        (b"# nothing\n", "has no key"),
        (b"\xff\xfe", "is not UTF-8"),
        (None, "No such file"),
    ],
)
def test_a_wrong_file_is_named_with_the_line_and_without_its_content(tmp_path, content, words):
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidSettings, match=words) as refusal:
        read_state_keys("", file)
    assert "secretsecret" not in refusal.value.message


def test_a_key_does_not_show_when_it_is_printed():
    assert _A not in repr(read_state_keys(_A, None)).lower()
    assert "x0a" not in repr(read_state_keys(_A, None))
    with pytest.raises(InvalidSettings, match="CAROUSEL_STATE_KEY: expected 64") as refusal:
        read_state_keys("short", None)
    assert "short" not in refusal.value.message
