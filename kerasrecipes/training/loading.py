"""Recipes around models that are trained already: those of a saved model, and anybody's."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasrecipes.arguments import named
from kerasrecipes.backbones.from_model import flattened
from kerasrecipes.backbones.spec import BackboneSpec
from kerasrecipes.errors import DataError
from kerasrecipes.heads import make_head
from kerasrecipes.photos.photo_set import PhotoSet
from kerasrecipes.registry import Registry
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.training.fitted import Fitted
from kerasrecipes.training.fitting import checked_examples, new_report
from kerasrecipes.training.image_classifier import ImageClassifier
from kerasrecipes.training.recipe import Recipe

if TYPE_CHECKING:
    import keras


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
def adopt_model(
    model: "keras.Model", train: PhotoSet, val: PhotoSet, *, scaling: str, seed: int = 0
) -> ImageClassifier:
    """Take a classifier that was trained elsewhere as it is: to measure, save, export and watch it.

    Args:
        model: A functional or built Sequential model from one photo, RGB or grey, to the
            probabilities of the classes, in the order of the photos' `class_names`. It is copied.
        train: Photos that it learned from, or like those: in them int8 finds its ranges.
        val: Photos that it did not learn from.
        scaling: The values that it wants to see; see `BackboneSpec.from_model`.
        seed: Seed of what is drawn in measuring.

    Returns:
        A fitted recipe: `evaluate` it on photos that the model never saw, and `save` it.

    Raises:
        ValueError: If the model has no readable graph, or does not suit; see
            `BackboneSpec.from_model`.
        DataError: If the photos have other classes than the model has outputs, or these are no
            probabilities.
    """
    data = checked_examples(train, val)
    spec, whole = BackboneSpec.from_model(model, scaling=scaling), flattened(model, scaling)
    spec.suited(train)  # refuses photos of other channels
    output = make_head("classification").output(train)
    if tuple(whole.output_shape) != (None, output.width):
        raise DataError(
            f"The photos have {output.width} classes, and the model {model.name!r} answers with "
            f"the shape {tuple(whole.output_shape)}. Give photos of the classes that it knows."
        )
    height, width = whole.input_shape[1:3]
    recipe = ImageClassifier(spec, image_size=(height, width), seed=seed)
    report = new_report(recipe, spec, data, [])
    seen = dict(spec.seen)
    fitted, _ = Fitted.of(whole, output, report, train, val, seen).measured(val, "val", seed)
    adopted: ImageClassifier = recipe.with_fitted(fitted)
    return adopted


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
