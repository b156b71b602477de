"""No entry point measures a model on photos that it was made with, or trains it on its test."""

from functools import partial

import pytest

from kerasrecipes import (
    Bundle,
    DataError,
    ImageClassifier,
    cluster,
    distil,
    optimize,
    prune,
    quantize,
)
from kerasrecipes.training.refitting import refitted
from kerasrecipes.verify.held_out import hold_out


@pytest.fixture(scope="module")
def untested(small_fitted, part_sets):
    train, val, _ = part_sets
    return refitted(small_fitted, small_fitted.model_, train, val)


@pytest.fixture(scope="module")
def tested(untested, part_sets, tmp_path_factory):
    """A recipe that was tested, the same one loaded, and one that was made of that."""
    train, val, test = part_sets
    recipe = refitted(untested, untested.model_, train, val)
    recipe.evaluate(test)
    folder = recipe.save(tmp_path_factory.mktemp("models") / "parts").folder
    loaded = ImageClassifier.load(folder)
    return recipe, loaded, refitted(loaded, loaded.model_, train, val)


def test_photos_of_the_fit_measure_nothing(tested, part_sets, tmp_path):
    train, val, test = part_sets
    for recipe in tested:
        for side in (train, val):
            with pytest.raises(DataError, match=f"{len(side)} of {len(side)} photos were used"):
                recipe.evaluate(side)
    assert tested[1].evaluate(test).n == len(test)
    bundle = Bundle.load(tested[0].save(tmp_path / "parts").folder)
    with pytest.raises(DataError, match="were used in the fit"):
        hold_out(bundle, train, tested[0].predict(train))


def test_photos_of_a_test_make_no_model(tested, part_sets):
    train, val, test = part_sets
    for recipe in tested:
        for action, name in (
            (partial(optimize, recipe, train, test), "val"),
            (partial(prune, recipe, train, test, channels=0.5), "val"),
            (partial(cluster, recipe, test, val), "train"),
            (partial(distil, recipe, ImageClassifier(), train, test), "val"),
            (partial(distil, recipe, ImageClassifier(), train, val, unlabelled=test), "unlabelled"),
            (partial(quantize, recipe, "int8", train=test), "train"),
            (partial(quantize, recipe, "qat", train=train, val=test), "val"),
        ):
            told = f"12 of 12 photos in `{name}` are those of the split 'test'"
            with pytest.raises(DataError, match=told):
                action(verbose=False)


def test_a_file_is_measured_on_neither(untested, part_sets):
    train, val, test = part_sets
    by_others = quantize(untested, "int8", train=test, verbose=False)
    for photos in (train, val, test):
        with pytest.raises(DataError, match="were used in the fit"):
            by_others.evaluate(photos)
    recipe = refitted(untested, untested.model_, train, val)
    assert quantize(recipe, "float16", verbose=False).evaluate(test).n == len(test)
    with pytest.raises(DataError, match="photos in `train` are those of the split 'test'"):
        quantize(recipe, "int8", train=test)
