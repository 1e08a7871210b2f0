"""Settings: wrong ones are named with what would be right, misspelt ones are found, all are documented."""

from __future__ import annotations

import pytest
from settings_page import PAGE, settings_page

from service.errors import InvalidSettings
from service.settings import read_settings, unknown_settings


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("CAROUSEL_ENGINES", "cuda", "got 'cuda': input should be 'tensorrt' or 'onnxruntime-cuda'"),
        ("CAROUSEL_ENGINES", '["tensorrt"', """got '["tensorrt"': expected names with commas between"""),
        ("CAROUSEL_CORS_ORIGINS", "[null]", "got None: input should be a valid string"),
        ("CAROUSEL_PORT", "tcp://10.0.0.1:80", "got 'tcp://10.0.0.1:80': input should be a valid integer"),
        ("CAROUSEL_PORT", "99999", "got '99999': input should be less than or equal to 65535"),
        ("CAROUSEL_GPU_PRECISION", "int8", "input should be 'fp32', 'fp16' or 'bf16'"),
        ("CAROUSEL_SHADOW_SHARE", "2", "less than or equal to 1"),
    ],
)
def test_a_wrong_setting_is_named_with_what_would_be_right(monkeypatch, name, value, words):
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings) as refusal:
        read_settings()
    assert refusal.value.message.startswith(f"{name}: got ")
    assert words in refusal.value.message


def test_every_wrong_setting_is_named_at_once(monkeypatch):
    monkeypatch.setenv("CAROUSEL_PORT", "x")
    with pytest.raises(InvalidSettings, match=r"CAROUSEL_PORT: .*; CAROUSEL_SHADOW_SHARE: "):
        read_settings(shadow_share=3)


@pytest.mark.parametrize("value", ["vowels,moby", " vowels , moby,", '["vowels", "moby"]'])
def test_lists_are_names_with_commas_between_or_json(monkeypatch, value):
    monkeypatch.setenv("CAROUSEL_MODELS", value)
    assert read_settings().models == {"vowels", "moby"}


@pytest.mark.parametrize("value", ["", "none", "[]"])
def test_an_empty_list_is_one(monkeypatch, value):
    for name in ("ENGINES", "WHOLE_SEQUENCES", "CORS_ORIGINS"):
        monkeypatch.setenv(f"CAROUSEL_{name}", value)
    settings = read_settings()
    assert (settings.engines, settings.whole_sequences, settings.cors_origins) == ((), frozenset(), ())


@pytest.mark.parametrize("value", ["null", "7", "true", "{}"])
def test_a_name_is_one_also_where_json_has_another_meaning_for_it(monkeypatch, value):
    monkeypatch.setenv("CAROUSEL_CORS_ORIGINS", value)
    assert read_settings().cors_origins == (value,)


def test_what_is_no_store_is_refused_with_what_would_be_one_and_without_its_password(monkeypatch):
    monkeypatch.setenv("CAROUSEL_SESSION_STORE", "foo:bar")
    with pytest.raises(InvalidSettings) as refusal:
        read_settings()
    assert refusal.value.message.startswith("CAROUSEL_SESSION_STORE: expected dir:PATH, redis://")
    assert "bar" not in refusal.value.message


def test_a_misspelt_setting_is_found_with_the_one_that_may_be_meant():
    environment = {"CAROUSEL_GPU_PRECISON": "fp16", "CAROUSEL_XYZZY": "1", "CAROUSEL_PORT": "1", "PATH": ""}
    environment["CAROUSEL_KEY"] = "what carousel predict shows"
    assert unknown_settings(environment) == {
        "CAROUSEL_GPU_PRECISON": "CAROUSEL_GPU_PRECISION",
        "CAROUSEL_XYZZY": None,
    }


def test_the_page_of_settings_is_up_to_date():
    assert PAGE.read_text() == settings_page(), "python tests/settings_page.py writes it anew"
