"""The setting says which store it is, or why it is none."""

from __future__ import annotations

import pytest
from on_a_loop import on_a_loop

from service.errors import InvalidSettings
from service.sessions.stores.folder import FolderStore
from service.sessions.stores.opening import open_store, reached
from service.sessions.stores.redis_store import RedisStore
from service.settings import read_settings


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("dir:sessions", FolderStore),
        ("redis://:password@host:6379/0", RedisStore),
        ("rediss://host", RedisStore),
        ("none", type(None)),
    ],
)
def test_each_place_is_opened_by_its_own(monkeypatch, place, kind):
    monkeypatch.setenv("CAROUSEL_SESSION_STORE", place)
    settings = read_settings()
    assert type(open_store(settings.session_store, settings.max_session_store_bytes)) is kind


@pytest.mark.parametrize("place", ["dir:", "sessions", "", "http://:password@host"])
def test_any_other_is_refused_with_what_would_be_right_and_not_quoted(monkeypatch, place):
    monkeypatch.setenv("CAROUSEL_SESSION_STORE", place)
    with pytest.raises(
        InvalidSettings, match=r"CAROUSEL_SESSION_STORE: .*expected dir:PATH, redis://"
    ) as refusal:
        read_settings()
    assert "password" not in refusal.value.message


def test_a_store_that_cannot_be_opened_is_refused_where_it_was_asked_for_and_else_gone_without(tmp_path):
    (tmp_path / "file").touch()

    @on_a_loop
    async def ask():
        with pytest.raises(InvalidSettings, match=r"CAROUSEL_SESSION_STORE: session store: .*file"):
            await reached(FolderStore(tmp_path / "file", 1 << 20), is_asked_for=True)
        assert await reached(FolderStore(tmp_path / "file", 1 << 20), is_asked_for=False) is None
        good = FolderStore(tmp_path / "new", 1 << 20)
        assert await reached(good, is_asked_for=False) is good
        await good.close()

    ask()
