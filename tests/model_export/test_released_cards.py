"""The bundles in models/ say of themselves what their recipes say."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from model_export.model_card import ModelCard
from model_export.recipes.catalogue import recipe, recipe_names
from service.repository.manifest import read_manifest

MODELS = Path(__file__).parents[2] / "models"


@pytest.mark.parametrize("name", recipe_names())
def test_a_released_manifest_is_what_its_recipe_would_publish(name):
    manifest, card = read_manifest(MODELS / name / "1"), recipe(name).card()
    for field in fields(ModelCard):
        assert getattr(manifest, field.name) == getattr(card, field.name), field.name
