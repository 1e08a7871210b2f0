"""Keys: made, kept as digests, found in constant time, written in a file or in the environment."""

from __future__ import annotations

import hmac

import pytest
from api_keys import entry

from service.admission.key_file import keys_from_file, keys_from_text
from service.admission.keys import ApiKey, KeyRing, digest_of, new_key
from service.admission.limits import Limits
from service.admission.roles import Role
from service.errors import InvalidSettings

DIGEST = digest_of(b"secret").hex()


def test_new_keys_differ_and_hold_256_bits():
    made = {new_key() for _ in range(100)}
    assert len(made) == 100
    assert all(len(key) == len("carousel_") + 43 for key in made)


def test_a_key_is_compared_with_every_one_in_constant_time_wherever_it_is(monkeypatch):
    compared, compare_digest = [], hmac.compare_digest

    def counted(one, other):
        compared.append(one)
        return compare_digest(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    ring = KeyRing(ApiKey(name, digest_of(name.encode()), Role.INFER, Limits()) for name in "abc")
    for shown in (b"a", b"b", b"c", b"nobody", b""):
        compared.clear()
        found = ring.find(shown)
        assert compared == [key.digest for key in ring.keys]
        assert (found.name if found else None) == (shown.decode() if shown in b"abc" and shown else None)


def test_a_file_gives_every_key_its_role_and_limits_with_the_defaults_for_what_it_leaves_out(tmp_path):
    path = tmp_path / "keys.toml"
    limits = ("requests_per_s = 100", "burst = 200", "expires = 2027-01-01")
    path.write_text(entry("alice", "one", "infer", *limits) + entry("bob", "two", "admin"))
    alice, bob = keys_from_file(path, Limits(5.0, 6, 7))
    assert (alice.role, alice.limits, alice.expires_s) == (Role.INFER, Limits(100, 200, 7), 1_798_761_600)
    assert (bob.role, bob.limits, bob.expires_s) == (Role.ADMIN, Limits(5.0, 6, 7), None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"expected tables \[keys\.NAME\]"),
        ("[keys]", r"expected tables \[keys\.NAME\]"),
        ("keys = 3", r"expected tables \[keys\.NAME\]"),
        ("[keys.a", "is not TOML"),
        ("\udcff", "is not TOML"),
        ("[keys.a]\nroles = ['infer']", "keys.a.sha256: Field required"),
        (f"[keys.a]\nroles = ['root']\nsha256 = '{DIGEST}'", "keys.a.roles: there is no role root"),
        (f"[keys.a]\nroles = []\nsha256 = '{DIGEST}'", "keys.a.roles: "),
        ("[keys.a]\nroles = ['infer']\nsha256 = 'secret'", "keys.a.sha256: String should match"),
        (entry("a", "x", "infer", "requests_per_s = 0"), "keys.a.requests_per_s: Input should be greater"),
        (entry("a", "x", "infer", "requests_per_s = inf"), "keys.a.requests_per_s: Input should be a finite"),
        (
            entry("a", "x", "infer", "requests_per_s = 1e-320"),
            "keys.a.requests_per_s: Input should be greater",
        ),
        (entry("a", "x", "infer", "expires = 'soon'"), "keys.a.expires: "),
        (entry("a", "x", "infer", "rate = 1"), "keys.a.rate: Extra inputs"),
        (entry('"a b"', "x"), "keys.a b: a name is 1 to 64 letters"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_and_secrets_are_not_quoted(tmp_path, text, words):
    path = tmp_path / "keys.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InvalidSettings, match=words) as refusal:
        keys_from_file(path, Limits())
    assert str(path) in refusal.value.message
    assert "secret" not in refusal.value.message


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidSettings, match=r"CAROUSEL_API_KEYS_FILE: .*none\.toml: cannot be read"):
        keys_from_file(tmp_path / "none.toml", Limits())


def test_keys_are_read_from_one_line():
    one, two = keys_from_text(f"alice:infer:{DIGEST}; bob:admin:{DIGEST.upper()};", Limits(1))
    assert (one.name, one.role, two.name, two.role) == ("alice", Role.INFER, "bob", Role.ADMIN)
    assert one.digest == two.digest == digest_of(b"secret")
    assert one.limits == Limits(1)


@pytest.mark.parametrize(
    "text", ["secret", "a:infer:secret", "a:root:" + DIGEST, "a:infer", ":infer:" + DIGEST]
)
def test_what_is_wrong_in_a_line_is_named_by_its_number_without_quoting_it(text):
    with pytest.raises(InvalidSettings, match="CAROUSEL_API_KEYS: number 2") as refusal:
        keys_from_text(f"fine:infer:{DIGEST};{text}", Limits())
    assert "secret" not in refusal.value.message
