"""Damaged files by the hundred: each is refused as a bundle, or harmless to the runtime that opens it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import onnx_mutants
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx_mutants import mutant

from service.errors import InvalidBundle
from service.repository.manifest import MANIFEST, ONNX, Manifest, read_manifest
from service.repository.model_file import look_through

_MUTANTS = 150
DIGITS = Path("models/digits/1")


def is_accepted(content: bytes, manifest: Manifest) -> bool:
    """Anything raised but InvalidBundle fails the test."""
    try:
        look_through(content, manifest.signature, Path(ONNX))
    except InvalidBundle:
        return False
    return True


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content):
    assert not is_accepted(content, read_manifest(DIGITS))


@given(st.integers(min_value=0, max_value=1 << 32))
def test_any_mutant_is_read_or_refused(seed):
    content = (DIGITS / ONNX).read_bytes()
    assert is_accepted(content, read_manifest(DIGITS))
    is_accepted(mutant(content, seed), read_manifest(DIGITS))


@pytest.mark.parametrize("name", ["gait", "letters"])
def test_what_is_accepted_does_not_crash_the_runtime(published, tmp_path, name):
    folder = published / name / "1"
    shutil.copy(folder / MANIFEST, tmp_path)
    content, manifest = (folder / ONNX).read_bytes(), read_manifest(folder)
    mutants = {seed: mutant(content, seed) for seed in range(_MUTANTS)}
    accepted = [seed for seed, changed in mutants.items() if is_accepted(changed, manifest)]
    for seed in accepted:
        (tmp_path / f"{seed}.onnx").write_bytes(mutants[seed])
    command = [sys.executable, onnx_mutants.__file__, tmp_path]
    ended = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert ended.returncode == 0, ended.stderr[-1000:]
    outcomes = dict(json.loads(line) for line in ended.stdout.splitlines())
    assert outcomes.keys() == {f"{seed}.onnx" for seed in accepted}
    assert set(outcomes.values()) == {"ran", "InvalidBundle"}
