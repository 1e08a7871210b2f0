"""README says what the bundles say, and the pages what the tree has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from service.repository.manifest import read_manifest
from service.repository.scanner import bundle_folders

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
MODELS = list(bundle_folders(ROOT / "models"))


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.parent.name)
def test_the_table_of_models_gives_the_measured_quality(folder):
    manifest = read_manifest(folder)
    row = next(line for line in README.splitlines() if line.startswith(f"| `{manifest.name}` |"))
    for quality in manifest.quality:
        assert f"**{quality.value:.4g}**" in row, f"{quality.metric} of {manifest.name}"


def test_the_table_has_no_model_that_is_not_bundled():
    named = set(re.findall(r"^\| `([^`]+)` \|", README, flags=re.MULTILINE))
    assert named == {folder.parent.name for folder in MODELS}


def test_links_in_the_documents_lead_somewhere():
    for document in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
            if not target.startswith(("http://", "https://")):
                assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_architecture_names_every_file_of_the_server():
    layout = (ROOT / "docs/01-architecture.md").read_text().partition("## Layout")[2]
    named = set(re.findall(r"\w+", layout))
    files = {path for path in (ROOT / "service").rglob("*.py") if path.parent.name != "generated"}
    missing = {path for path in files if path.stem not in named | {"__init__"}}
    assert not missing


def test_bundles_are_small():
    size = sum(path.stat().st_size for path in (ROOT / "models").rglob("*") if path.is_file())
    assert size < 8_000_000
