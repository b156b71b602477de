"""Callbacks that do not fit a recipe's training are refused, and those that do work."""

import keras
import numpy as np
import pytest

from kerasrecipes import (
    ExactCheckpoint,
    GradientMonitor,
    LRFinder,
    OverfitMonitor,
    UnfreezeSchedule,
    distil,
    prune,
)
from kerasrecipes.data.batches import one_hot
from kerasrecipes.photos.decoding.decode import read_photo
from kerasrecipes.settings.callback_checks import check_callbacks


@pytest.fixture(scope="module")
def photos_of(part_sets):
    """Photos of the validation side as arrays, as `small_recipe` sees them, and one-hot labels."""
    val = part_sets[1]
    pixels = [read_photo(photo, (24, 24), val.policy) for photo in val.photos]
    return np.stack(pixels).astype("float32"), one_hot(val)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (LRFinder, r"an LRFinder: its search would .* Stage\('head', 30, 'auto'\)"),
        (lambda: ExactCheckpoint("x"), "an ExactCheckpoint: .* Pass `run_folder` to the recipe's"),
        (lambda: keras.callbacks.ModelCheckpoint("x.keras"),
         "a ModelCheckpoint: .* Call `recipe.save` after the fit; .* pass `run_folder`"),
        (lambda: keras.callbacks.BackupAndRestore("x"), "a BackupAndRestore: .* pass `run_folder`"),
    ],
)  # fmt: skip
def test_callbacks_that_a_stage_would_mislead_are_refused(quick_recipe, make, message):
    with pytest.raises(ValueError, match=message):
        quick_recipe().fit(None, None, callbacks=[make()])


@pytest.mark.parametrize("head", ["embedding", "multi_label", "ordinal", "regression"])
def test_classes_are_followed_where_they_have_scores(quick_recipe, head):
    message = f"OverfitMonitor with per_class=True, .* the head '{head}' has none while it trains"
    with pytest.raises(ValueError, match=message):
        check_callbacks([OverfitMonitor(per_class=True)], quick_recipe(head=head))
    check_callbacks([OverfitMonitor()], quick_recipe(head=head))


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ([OverfitMonitor], r"the class OverfitMonitor. Pass an instance: OverfitMonitor\(…\)"),
        (["tensorboard"], "Unknown callback 'tensorboard'. Did you mean 'TensorBoardWriter'"),
        ([[]], r"holds \[\], which is no"),
        ("tensorboard", "must be a list of callbacks, also of one, not 'tensorboard'"),
        (OverfitMonitor(), "must be a list of callbacks, also of one, not <.*OverfitMonitor"),
    ],
)
def test_what_is_no_list_of_callbacks_is_named(quick_recipe, callbacks, message):
    with pytest.raises(ValueError, match=message):
        quick_recipe().fit(None, None, callbacks=callbacks)


def test_photos_are_refused_where_stages_train_on_a_cache(quick_recipe, photos_of):
    x, y = photos_of
    classes = ["dot", "plain", "stripe"]
    monitor = OverfitMonitor(class_names=classes, validation_data=(x, y))
    for callback, message in (
        (
            GradientMonitor((x, y)),
            "holds a GradientMonitor with photos in `probe`.* Pass cache_gb=0",
        ),
        (
            monitor,
            "an OverfitMonitor with photos in `validation_data`.* Pass per_class=True in its place",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            quick_recipe().fit(None, None, callbacks=[callback])
        # Where all blocks are open, there is no cache.
        check_callbacks([callback], quick_recipe(schedule=UnfreezeSchedule.full()))
    followed = OverfitMonitor(per_class=True)
    followed.follow_classes(classes, lambda: [(x, y), (x, y)])  # as a fit before left it
    for callback in (followed, OverfitMonitor(), GradientMonitor((np.ones((8, 32)), y[:8]))):
        check_callbacks([callback], quick_recipe())


def test_gradients_of_photos_are_followed_without_a_cache(small_recipe, part_sets, photos_of):
    train, val, _ = part_sets
    monitor = GradientMonitor(photos_of)
    overfit = OverfitMonitor(class_names=list(val.class_names), validation_data=photos_of)
    schedule = UnfreezeSchedule.two_phase(1, head_epochs=1)
    recipe = small_recipe(schedule=schedule, cache_gb=0)
    report = recipe.fit(train, val, callbacks=[monitor, overfit], verbose=False)
    for stage in ("head", "top"):
        (epoch,) = report.callbacks[f"{stage}: GradientMonitor"]["epochs"]
        assert epoch["gradient_norms"]["logits"] > 0
        assert len(report.callbacks[f"{stage}: OverfitMonitor"]["classes"]) == 1


def test_other_trainings_check_the_same(small_fitted, quick_recipe, part_sets, photos_of):
    train, val, _ = part_sets
    for work in (
        lambda: prune(small_fitted, train, val, channels=0.5, callbacks=[LRFinder()]),
        lambda: prune(small_fitted, train, val, sparsity=0.5, callbacks=[LRFinder()]),
        lambda: distil(small_fitted, quick_recipe(), train, val, callbacks=[LRFinder()]),
    ):
        with pytest.raises(ValueError, match="`callbacks` holds an LRFinder"):
            work()
    x, y = photos_of
    monitor = OverfitMonitor(class_names=val.class_names, validation_data=(x, y))
    with pytest.raises(ValueError, match="with photos in `validation_data`"):
        distil(small_fitted, quick_recipe(), train, val, callbacks=[monitor])
    with pytest.raises(ValueError, match="a GradientMonitor: .* follows a teacher's answers"):
        prune(small_fitted, train, val, channels=0.5, callbacks=[GradientMonitor((x, y))])


def test_photos_may_follow_a_pruned_model_which_trains_as_a_whole(
    small_fitted, part_sets, photos_of
):
    train, val, _ = part_sets
    monitor = OverfitMonitor(class_names=val.class_names, validation_data=photos_of)
    prune(small_fitted, train, val, channels=0.5, epochs=1, callbacks=[monitor], verbose=False)
    assert len(monitor.summary()["classes"]) == 1


def test_callbacks_have_names(quick_recipe):
    stopping = keras.callbacks.CSVLogger("x", append=True)
    found = check_callbacks(["OverfitMonitor", stopping], quick_recipe())
    assert isinstance(found[0], OverfitMonitor) and found[1] is stopping
    with pytest.raises(ValueError, match="Unknown callback 'OverfitMonitr'. Did you mean 'Overfi"):
        check_callbacks(["OverfitMonitr"], quick_recipe())
    with pytest.raises(ValueError, match="names 'MetricsLog', which cannot be made without arg"):
        check_callbacks(["MetricsLog"], quick_recipe())
    with pytest.raises(ValueError, match="holds an LRFinder"):
        check_callbacks(["LRFinder"], quick_recipe())
