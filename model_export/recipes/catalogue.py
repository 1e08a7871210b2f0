"""The recipes by name; each is imported only when asked for."""

from __future__ import annotations

from importlib import import_module

from model_export.recipe import Recipe

# name: (module, class, arguments)
_RECIPES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "traffic": ("traffic", "Traffic", ()),
    "moby": ("moby", "Moby", ()),
    "protein": ("protein", "Protein", ()),
    "vowels": ("vowels", "Vowels", ("concat",)),
    "vowels-sum": ("vowels", "Vowels", ("sum",)),
    "vowels-multiplication": ("vowels", "Vowels", ("multiplication",)),
    "vowels-average": ("vowels", "Vowels", ("average",)),
    "digits": ("digits", "Digits", ()),
    "strips": ("strips", "Strips", ()),
    "winds": ("winds", "Winds", ()),
}


class UnknownRecipe(Exception):
    """There is no recipe of this name."""


def recipe_names() -> list[str]:
    return list(_RECIPES)


def recipe(name: str) -> Recipe:
    """The recipe of a bundle; raises UnknownRecipe naming those there are."""
    if name not in _RECIPES:
        raise UnknownRecipe(f"there is no recipe {name}, there are: {', '.join(_RECIPES)}")
    module, class_name, arguments = _RECIPES[name]
    made: Recipe = getattr(import_module(f"model_export.recipes.{module}"), class_name)(*arguments)
    return made
