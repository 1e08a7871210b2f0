"""Version policies: read from a text, applied to what there is."""

from __future__ import annotations

import pytest

from service.domain.version_policy import version_policies, version_policy
from service.errors import InvalidSettings
from service.settings import read_settings

THERE = ("1", "2", "10")


@pytest.mark.parametrize(
    ("text", "candidates", "most"),
    [
        ("latest", ["10", "2", "1"], 1),
        ("latest:2", ["10", "2", "1"], 2),
        ("all", ["10", "2", "1"], None),
        ("1, 10,11", ["10", "1"], None),
    ],
)
def test_candidates_are_those_that_may_serve_newest_first(text, candidates, most):
    policy = version_policy(text)
    assert (policy.candidates(THERE), policy.latest) == (candidates, most)


def test_what_is_listed_and_not_there_is_known():
    assert version_policy("1,11").missing(THERE) == ["11"]
    assert version_policy("all").missing(()) == []


def test_a_model_without_a_policy_of_its_own_has_the_latest_unless_another_is_named():
    assert version_policies('{"vowels": "all"}')["*"] == version_policy("latest")
    assert version_policies('{"vowels": "all", "*": "latest:2"}')["*"] == version_policy("latest:2")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lates", "'lates': expected latest, latest:N, all, or versions"),
        ("latest:0", "'latest:0': expected latest"),
        ("1,02", "'1,02': expected latest"),
        ("", "'': expected latest"),
        ('{"vowels": "newest"}', "vowels: 'newest': expected latest"),
        ('{"vowels": 1}', "vowels: 1: expected latest"),
        ('{"vowels"', "not valid JSON"),
    ],
)
def test_another_policy_is_refused_naming_setting_and_value(text, words):
    with pytest.raises(InvalidSettings) as refusal:
        read_settings(version_policy=text)
    assert refusal.value.message.startswith(f"CAROUSEL_VERSION_POLICY: got {text!r}: ")
    assert words in refusal.value.message
