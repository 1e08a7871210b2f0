"""A bundle's files: only plain ones, only so large, and an archive only where it is what it says."""

from __future__ import annotations

import json
import os
import tracemalloc
import zipfile
from zipfile import ZIP_BZIP2, ZIP_DEFLATED

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidBundle
from service.repository.files import read_file
from service.repository.golden import GoldenVectors, read_golden, write_golden
from service.repository.manifest import GOLDEN, MANIFEST, ONNX
from service.repository.scanner import read_bundle

GIB = 1 << 30


def npy_header(shape: str, descr: str = "<f4") -> bytes:
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def write_archive(folder, compression: int = ZIP_DEFLATED, **entries: bytes):
    with zipfile.ZipFile(folder / GOLDEN, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(f"{name}.npy", content)
    return folder


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / MANIFEST)
    with pytest.raises(InvalidBundle, match=r"manifest\.json: is no plain file"):
        read_bundle(tmp_path)


@pytest.mark.parametrize("name", [MANIFEST, ONNX, GOLDEN])
def test_a_link_is_refused_by_its_name(models_dir, name):
    folder = models_dir / "gait" / "1"
    (folder / name).rename(folder / "other")
    (folder / name).symlink_to("other")
    with pytest.raises(InvalidBundle, match=f"{name}: is a link: expected a file"):
        read_bundle(folder)


def test_a_device_is_refused(tmp_path):
    with pytest.raises(InvalidBundle, match="/dev/zero: is no plain file"):
        read_file(tmp_path.__class__("/dev/zero"), GIB)


def test_a_file_over_the_bound_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / ONNX
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(InvalidBundle, match="has 1,099,511,627,776 bytes: expected 1,073,741,824 at most"):
        read_file(path, GIB)


def test_the_bound_is_for_all_files_of_a_bundle_together(models_dir):
    folder = models_dir / "gait" / "1"
    files = json.loads((folder / MANIFEST).read_text())["files"]
    together = sum((folder / name).stat().st_size for name in files)
    assert read_bundle(folder, together).folder == folder
    with pytest.raises(InvalidBundle, match="at most"):
        read_bundle(folder, together - 1)


def test_a_manifest_that_is_too_large_is_refused(tmp_path):
    (tmp_path / MANIFEST).write_bytes(b" " * ((1 << 24) + 1))
    with pytest.raises(InvalidBundle, match=r"manifest\.json: has 16,777,217 bytes"):
        read_bundle(tmp_path)


def test_a_manifest_of_a_million_brackets_is_refused(tmp_path):
    (tmp_path / MANIFEST).write_bytes(b"[" * 1_000_000)
    with pytest.raises(InvalidBundle, match=r"manifest\.json: manifest: Invalid JSON"):
        read_bundle(tmp_path)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"sequence_0": npy_header("(1099511627776, 4)")}, "has 0 bytes, its shape .* needs"),
        ({"sequence_0": npy_header("(-1, -4)")}, "in the shape .*: expected numbers"),
        ({"sequence_0": npy_header("(1,) * 9")}, "not readable"),
        ({"sequence_0": npy_header("(" * 5000)}, "not readable"),
        ({"sequence_0": npy_header("-" * 9000 + "1")}, "not readable"),
        ({"sequence_0": npy_header("(1,)", "|O") + bytes(8)}, "has object"),
        ({"sequence_0": npy_header("(1,)", "<U1") + bytes(4)}, "has <U1"),
        ({"sequence_0": npy_header("(2,)") + bytes(4)}, r"has 4 bytes, its shape \(2,\) of float32 needs 8"),
        ({"sequence_0": b"\x93NUMPY\x03\x00"}, r"expected npy in version 1\.0 or 2\.0"),
        ({"sequence_0": b"no array"}, "not readable"),
        ({"sequence_0": npy_header("(1,)") + bytes(4)}, "not readable"),
        ({f"output_{i}": b"" for i in range(10_001)}, "has 10,001 arrays"),
    ],
)
def test_an_archive_that_is_not_what_it_says_is_refused(tmp_path, entries, reason):
    write_archive(tmp_path, **entries)
    with pytest.raises(InvalidBundle, match=rf"golden\.npz: .*{reason}"):
        read_golden(tmp_path)


def test_an_unusual_compression_is_refused(tmp_path):
    write_archive(tmp_path, ZIP_BZIP2, sequence_0=npy_header("(1,)") + bytes(4))
    with pytest.raises(InvalidBundle, match="expected it stored or deflated"):
        read_golden(tmp_path)


def test_a_bomb_is_refused_without_being_unpacked(tmp_path):
    count = 1 << 26
    with (
        zipfile.ZipFile(tmp_path / GOLDEN, "w", ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("sequence_0.npy", "w", force_zip64=True) as entry,
    ):
        entry.write(npy_header(f"({count},)"))
        for _ in range(count * 4 >> 24):
            entry.write(bytes(1 << 24))
    assert (tmp_path / GOLDEN).stat().st_size < 1 << 21
    tracemalloc.start()
    with pytest.raises(InvalidBundle, match=r"unpacks to .* bytes: expected 268,435,456 at most"):
        read_golden(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@given(st.integers(min_value=0, max_value=1 << 16), st.binary(min_size=1, max_size=8))
def test_a_damaged_archive_is_read_or_refused(tmp_path_factory, place, piece):
    folder = tmp_path_factory.getbasetemp()
    path = write_golden(folder, GoldenVectors((np.ones((3, 2)),), (np.zeros(3),)))
    content = bytearray(path.read_bytes())
    at = place % len(content)
    content[at : at + len(piece)] = piece
    path.write_bytes(content)
    try:
        golden = read_golden(folder)
    except InvalidBundle:
        return
    assert len(golden.sequences) == len(golden.outputs)
