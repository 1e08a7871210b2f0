"""The scanner: a bundle is served only if every byte of it is what its manifest says."""

from __future__ import annotations

import hashlib
import json

import pytest

from service.errors import InvalidBundle
from service.repository.manifest import GOLDEN, MANIFEST, ONNX, PARITY
from service.repository.scanner import bundle_folders, read_bundle


def rewrite(folder, **changes) -> None:
    content = json.loads((folder / MANIFEST).read_text()) | changes
    (folder / MANIFEST).write_text(json.dumps(content))


@pytest.fixture
def gait(models_dir):
    return models_dir / "gait" / "1"


def test_a_whole_bundle_is_read(gait):
    bundle = read_bundle(gait)
    assert bundle.artifact.onnx_path == gait / ONNX
    assert bundle.artifact.signature == bundle.manifest.signature


@pytest.mark.parametrize("name", [ONNX, PARITY, GOLDEN])
def test_a_file_with_one_byte_changed_is_refused_by_its_name(gait, name):
    content = bytearray((gait / name).read_bytes())
    content[len(content) // 2] ^= 1
    (gait / name).write_bytes(content)
    with pytest.raises(InvalidBundle, match=f"{name}: its SHA-256 is"):
        read_bundle(gait)


@pytest.mark.parametrize("name", [ONNX, PARITY, GOLDEN])
def test_a_file_that_is_missing_is_refused_by_its_name(gait, name):
    (gait / name).unlink()
    with pytest.raises(InvalidBundle, match=f"{name}: No such file"):
        read_bundle(gait)


@pytest.mark.parametrize("changes", [{"name": "gate"}, {"version": "2"}])
def test_a_bundle_in_the_wrong_folder_is_refused(gait, changes):
    rewrite(gait, **changes)
    with pytest.raises(InvalidBundle, match="but lies in gait/1"):
        read_bundle(gait)


@pytest.mark.parametrize(
    "name", ["../../letters/1/model.onnx", "/etc/hostname", "..", ".", "", "a/../../x", "a\0b"]
)
def test_a_manifest_cannot_reach_outside_its_folder(gait, name):
    files = json.loads((gait / MANIFEST).read_text())["files"]
    rewrite(gait, files=files | {name: "0" * 64})
    with pytest.raises(InvalidBundle, match="lies outside the bundle"):
        read_bundle(gait)


def test_a_link_that_leads_outside_is_refused(gait, tmp_path):
    outside = tmp_path / "elsewhere.onnx"
    (gait / ONNX).rename(outside)
    (gait / ONNX).symlink_to(outside)
    with pytest.raises(InvalidBundle, match="lies outside the bundle"):
        read_bundle(gait)


def test_a_file_that_is_a_folder_is_refused_by_its_name(gait):
    (gait / "extra").mkdir()
    files = json.loads((gait / MANIFEST).read_text())["files"]
    rewrite(gait, files=files | {"extra": hashlib.sha256(b"").hexdigest()})
    with pytest.raises(InvalidBundle, match="extra: Is a directory"):
        read_bundle(gait)


def test_bundles_are_found_by_name_and_rising_version(tmp_path):
    for folder in ("b/2", "b/10", "b/1", "a/3", "b/latest", "b/01", "c/0", ".hidden-x", "d"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / MANIFEST).write_text("{}")
    (tmp_path / "a" / "4").mkdir()
    (tmp_path / "e").write_text("a file")
    found = [folder.relative_to(tmp_path).as_posix() for folder in bundle_folders(tmp_path)]
    assert found == ["a/3", "b/1", "b/2", "b/10"]


def test_a_folder_of_models_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidBundle, match="nowhere: no such folder"):
        list(bundle_folders(tmp_path / "nowhere"))
