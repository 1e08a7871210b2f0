"""Files that are whole or not there, whatever happens to the server, the disk or the folder."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from on_a_loop import on_a_loop
from structlog.testing import capture_logs

from service.errors import StoreFull, StoreUnavailable
from service.sessions.stores.folder import FolderStore

_MIB = 1 << 20
_WRITER = Path(__file__).parents[2] / "snapshot_writer.py"


def _later() -> float:
    return time.time() + 1000.0


async def _put(store: FolderStore, session_id: str, snapshot: bytes, expires_s: float | None = None) -> None:
    claim = await store.claim(session_id, "me")
    await store.put(claim, snapshot, expires_s or _later())


async def _ids(store: FolderStore) -> set[str]:
    return {session_id async for session_id in store.ids()}


@on_a_loop
async def test_only_the_servers_user_may_read_the_files(tmp_path):
    store = FolderStore(tmp_path / "deep" / "sessions", _MIB)
    await _put(store, "s", b"state")
    await store.close()
    modes = {path.name.split(".")[-1]: path.stat().st_mode & 0o777 for path in store._folder.iterdir()}
    assert modes == {"snapshot": 0o600, "claim": 0o600, "lock": 0o600}
    assert store._folder.stat().st_mode & 0o777 == 0o700


@on_a_loop
async def test_torn_and_foreign_files_are_skipped_with_a_line_and_left(tmp_path):
    first = FolderStore(tmp_path, _MIB)
    for session_id in ("whole", "torn", "moved"):
        await _put(first, session_id, session_id.encode() * 100)
    await first.close()
    torn, moved = (_file_of(tmp_path, name) for name in (b"torntorn", b"movedmoved"))
    torn.write_bytes(torn.read_bytes()[:-40])
    moved = moved.rename(tmp_path / f"{'0' * 64}.snapshot")
    (tmp_path / "link.snapshot").symlink_to("/etc/passwd")
    (tmp_path / "notes.txt").write_text("mine")
    with capture_logs() as lines:
        store = FolderStore(tmp_path, _MIB)
        assert await store.get("torn") is None
        assert await store.get("moved") is None
        assert await store.get("whole") == b"whole" * 100
        assert await _ids(store) == {"whole"}
        await _put(store, "torn", b"mended")
        assert await store.get("torn") == b"mended"
        await store.close()
    assert {line["event"] for line in lines} == {"snapshot_skipped"}
    assert {Path(line["path"]).name for line in lines} == {torn.name, moved.name, "link.snapshot"}
    assert (tmp_path / "notes.txt").read_text() == "mine"


def _file_of(folder: Path, content: bytes) -> Path:
    (found,) = (path for path in folder.glob("*.snapshot") if content in path.read_bytes())
    return found


@on_a_loop
async def test_what_a_killed_server_left_half_written_and_what_is_expired_goes(tmp_path):
    first = FolderStore(tmp_path, _MIB)
    await _put(first, "old", b"state", time.time() + 50.0)
    await first.close()
    (tmp_path / "x.snapshot.0123.writing").write_bytes(b"half")
    store = FolderStore(tmp_path, _MIB, now=lambda: time.time() + 100.0)
    assert await _ids(store) == set()
    await store.close()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


@on_a_loop
async def test_a_full_store_refuses_and_keeps_what_it_has_until_something_goes(tmp_path):
    store = FolderStore(tmp_path, 1000)
    await _put(store, "a", b"a" * 700)
    with pytest.raises(
        StoreFull, match=r"would hold 1,\d\d\d bytes: CAROUSEL_MAX_SESSION_STORE_BYTES allows 1,000"
    ):
        await _put(store, "b", b"b" * 700)
    with pytest.raises(StoreFull):
        await _put(store, "a", b"A" * 1000)
    assert await store.get("a") == b"a" * 700
    await _put(store, "a", b"A" * 800)
    await store.delete(await store.claim("a", "me"))
    await _put(store, "b", b"b" * 700)
    await store.close()


@on_a_loop
async def test_a_disk_that_takes_no_more_in_the_middle_of_a_file_leaves_the_old_one(tmp_path):
    store = FolderStore(tmp_path, 10 * _MIB)
    await _put(store, "s", b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MIB, limits[1]))
    try:
        with pytest.raises(StoreFull, match="File too large"):
            await _put(store, "s", b"new" * _MIB)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert await store.get("s") == b"old"
    assert not list(tmp_path.glob("*.writing"))
    await _put(store, "s", b"new" * _MIB)
    await store.close()


@on_a_loop
async def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    store = FolderStore(tmp_path / "file" / "sessions", _MIB)
    with pytest.raises(StoreUnavailable, match="sessions: Not a directory"):
        await store.get("s")
    await store.close()


def test_killed_in_the_middle_of_writing_a_server_leaves_whole_files_old_or_new(tmp_path):
    told = subprocess.run(
        [sys.executable, str(_WRITER), str(tmp_path), "25"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    acknowledged: dict[str, int] = {}
    found_in_the_end: dict[str, int] = {}
    # Beside them stands what was logged of files that were torn.
    for line in re.findall("^(?:kept|found) .*", told.stdout, re.MULTILINE):
        what, session_id, number = line.split()
        if what == "kept":
            acknowledged[session_id] = int(number)
        else:
            found_in_the_end[session_id] = int(number)
            # The one put that was under way may be there already.
            assert acknowledged.get(session_id, 0) <= int(number)
    assert set(found_in_the_end) == {"a", "b", "c"}
    assert len(acknowledged) == 3
    _check_that_a_server_takes_up(tmp_path, found_in_the_end)
    # Of the dead nothing stays but what they kept.
    assert {path.suffix for path in tmp_path.iterdir()} == {".snapshot", ""}


@on_a_loop
async def _check_that_a_server_takes_up(folder: Path, numbers: dict[str, int]) -> None:
    store = FolderStore(folder, 64 * _MIB)
    assert {session_id: int((await store.get(session_id) or b"")[:10]) for session_id in numbers} == numbers
    await store.close()
