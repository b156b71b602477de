"""Settings that no training could use, or that would change nothing, are named before any work."""

import re

import pytest

from kerasrecipes import Stage, UnfreezeSchedule
from kerasrecipes.training.retraining import retrain


def test_more_accumulation_than_steps_is_an_error(part_sets, small_recipe, monkeypatch):
    """The trap: Keras would wait for the rest of the gradients, and train nothing."""
    train, val, _ = part_sets
    stages = (Stage("head", 34, 1e-3), Stage("top", 3, 1e-3, 1.0))
    told = re.escape(
        f"`accumulate=100` would let stage 'top' train nothing: it has 9 steps in all "
        f"({len(train)} photos by 8, times 3 epochs)"
    )
    assert len(train) == 24

    def too_late(*_, **__):
        raise AssertionError("a model was built")

    monkeypatch.setattr("kerasrecipes.training.fitting.build_model", too_late)
    recipe = small_recipe(schedule=UnfreezeSchedule(stages), accumulate=100)
    with pytest.raises(ValueError, match=told):
        recipe.fit(train, val, verbose=False)


def test_nor_is_a_model_trained_on_by_nothing(part_sets, small_fitted, small_recipe):
    before = small_fitted.model_.get_weights()
    with pytest.raises(ValueError, match="`accumulate=100` would let stage 'on' train nothing"):
        retrain(
            small_recipe(accumulate=100), small_fitted.model_, *part_sets[:2],
            epochs=2, learning_rate=1e-3, name="on",
        )  # fmt: skip
    assert all(
        (a == b).all() for a, b in zip(before, small_fitted.model_.get_weights(), strict=True)
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"augment": "none", "views": 8},
            "`views=8` would have no effect with augment='none': each view is the photo itself",
        ),
        (
            {"head": "embedding", "loss": "semi_hard_triplet", "mix": "mixup"},
            "`mix` does not work together with this `loss`, which reads one label of each photo",
        ),
        ({"loss_options": 5}, "`loss_options` must be a dict of the loss's arguments"),
        ({"loss_options": {1: 2.0}}, "`loss_options` must be a dict of the loss's arguments"),
    ],
)
def test_what_is_unusable_is_told_before_a_photo_is_read(quick_recipe, changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        quick_recipe(**changes).fit(None, None)


def test_folders_are_no_photo_sets(part_sets, part_photos, quick_recipe):
    told = "`{}` must be a PhotoSet, TextSet or SignalSet, not {}. Pass what scan_photos"
    with pytest.raises(ValueError, match=told.format("train", "PosixPath")):
        quick_recipe().fit(part_photos, part_photos)
    with pytest.raises(ValueError, match=told.format("val", "str")):
        quick_recipe().fit(part_sets[0], str(part_photos))
