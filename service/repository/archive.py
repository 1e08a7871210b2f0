"""An .npz, looked through before NumPy makes arrays of it: what is small on disk may say it is large."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from numpy.lib import format as npy

from service.errors import InvalidBundle

_MAX_ARRAYS = 10_000
_MAX_BYTES = 1 << 28
_MAX_RANK = 16
_IS_ENCRYPTED = 1
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def check_archive(file: BinaryIO, path: Path) -> None:
    """Raises InvalidBundle naming the array; leaves the file at its begin. Unpacks headers only."""
    with ZipFile(file) as archive:
        entries = archive.infolist()
        _check_entries(entries, path)
        for entry in entries:
            _check_array(archive, entry, path)
    file.seek(0)


def _check_entries(entries: Sequence[ZipInfo], path: Path) -> None:
    if len(entries) > _MAX_ARRAYS:
        raise InvalidBundle(f"{path}: has {len(entries):,} arrays: expected {_MAX_ARRAYS:,} at most")
    if len({entry.filename for entry in entries}) != len(entries):
        raise InvalidBundle(f"{path}: has two arrays of one name: expected every name once")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > _MAX_BYTES:
        raise InvalidBundle(f"{path}: unpacks to {unpacked:,} bytes: expected {_MAX_BYTES:,} at most")
    for entry in entries:
        if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED) or entry.flag_bits & _IS_ENCRYPTED:
            raise InvalidBundle(f"{path}: {entry.filename}: expected it stored or deflated, not encrypted")


def _check_array(archive: ZipFile, entry: ZipInfo, path: Path) -> None:
    with archive.open(entry) as stream:
        read_header = _HEADERS.get(npy.read_magic(stream))
        if read_header is None:
            raise InvalidBundle(f"{path}: {entry.filename}: expected npy in version 1.0 or 2.0")
        shape, _, dtype = read_header(stream)
        found = entry.file_size - stream.tell()
    if dtype.kind not in "fiu" or len(shape) > _MAX_RANK or any(extent < 0 for extent in shape):
        raise InvalidBundle(f"{path}: {entry.filename}: has {dtype} in the shape {shape}: expected numbers")
    due = math.prod(shape) * dtype.itemsize
    if found != due:
        raise InvalidBundle(
            f"{path}: {entry.filename}: has {found:,} bytes, its shape {shape} of {dtype} needs {due:,}"
        )
