"""Recipes by the type that a saved model says it is of."""

from pathlib import Path
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.registry import Registry
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.training.recipe import Recipe


def _check_class(recipe: Any) -> None:
    if not isinstance(recipe, type) or not issubclass(recipe, Recipe):
        raise ValueError(f"A recipe must be a subclass of Recipe, not {recipe!r}.")


_REGISTRY: Registry[type[Recipe]] = Registry(
    "kerasrecipes.training",
    "RECIPES",
    "type of recipe",
    "the files of kerasrecipes/training/",
    check=_check_class,
    group="kerasrecipes.recipes",
)


@named
def load_recipe(folder: Bundle | str | Path) -> Recipe:
    """Read a saved recipe of any type, ready to evaluate and predict.

    Args:
        folder: A model folder (its latest version) or one version of it, or a bundle.

    Returns:
        A recipe of the type that the bundle says, e.g. an `ImageClassifier`.

    Raises:
        DataError: If there is no bundle.
        IntegrityError: If a file of it was changed.
        ValueError: If this version has no such type of recipe.
    """
    bundle = Bundle.load(folder)
    return _REGISTRY.get(bundle.manifest.recipe_type).load(bundle)


@named
def register_recipe(recipe: type[Recipe], replace: bool = False) -> None:
    """Add a type of recipe, for this process, so that `load_recipe` finds it.

    Args:
        recipe: The class; its `name` is what bundles say.
        replace: Whether it may take the place of one that was registered before.

    Raises:
        ValueError: If it is no recipe, or its name cannot be used or is taken.
    """
    _check_class(recipe)
    _REGISTRY.add(recipe.name, recipe, replace)
