"""What holds a backbone's training back: it acts, exactly where it says, or it is an error."""

import json

import numpy as np
import pytest

from kerasrecipes import ImageClassifier, UnfreezeSchedule
from kerasrecipes.settings.model_checks import check_open_norms


def distance(recipe, layer="top_conv"):
    """Return how far a layer went from its pretrained weights, in the norm."""
    start = recipe.backbone.build().get_layer(layer).get_weights()[0]
    return np.linalg.norm(recipe.model_.get_layer(layer).get_weights()[0] - start)


@pytest.fixture
def fit(part_sets, tiny_spec, quick_recipe):
    def run(epochs=4, callbacks=(), **changes):
        schedule = UnfreezeSchedule.two_phase(epochs, 3e-3, head_epochs=1, open_fraction=0.5)
        settings = {"backbone": tiny_spec(), "schedule": schedule, "augment": "none"}
        recipe = quick_recipe(**{**settings, **changes})
        recipe.fit(*part_sets[:2], verbose=False, callbacks=callbacks)
        return recipe

    return run


def test_l2_sp_holds_open_blocks_near_their_pretrained_weights(fit):
    free, held = fit(), fit(l2_sp=100.0)
    assert distance(held) < 0.8 * distance(free)
    assert distance(held, "stem_conv") == 0  # it is frozen
    without_cache = fit(l2_sp=100.0, cache_gb=0.0)
    assert distance(without_cache) == pytest.approx(distance(held), rel=0.02)


def test_adaptive_clipping_limits_steps_of_the_backbone_alone(fit):
    plain, clipped = (fit(adaptive_clip=share) for share in (None, 1e-5))
    # Adam divides the size of gradients out again but for epsilon; what is left shows it acted.
    assert distance(clipped) < 0.9 * distance(plain)


def test_batch_norm_is_measured_once_and_then_stands_still(
    part_sets, small_recipe, small_backbone, capsys
):
    """The statistics are those of the training photos, also in the model that is returned."""
    import keras

    from kerasrecipes.release.calibration import calibration_inputs
    from kerasrecipes.surgery.batch_norm import reestimate_batch_norm

    train, val, _ = part_sets
    schedule = UnfreezeSchedule.two_phase(1, head_epochs=1, open_fraction=0.1)
    recipe = small_recipe(batch_norm="reestimate", schedule=schedule, augment="none")
    recipe.fit(train, val)
    assert "BatchNormalization layers re-estimated on" in capsys.readouterr().err
    expected = small_backbone.build()
    reestimate_batch_norm(
        expected, calibration_inputs(train, (24, 24, 3), 0, 256).astype("float32")
    )
    norms = [one for one in expected.layers if isinstance(one, keras.layers.BatchNormalization)]
    for norm in norms:
        found = recipe.model_.get_layer(norm.name)
        np.testing.assert_allclose(found.moving_mean, norm.moving_mean, rtol=1e-4, atol=1e-4)
    assert len(norms) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"l2_sp": 0.1}, "`l2_sp=0.1` would have no effect: .* no stage of the schedule opens any"),
        ({"adaptive_clip": 0.1}, "`adaptive_clip=0.1` would have no effect"),
        ({"batch_norm": "train"}, "`batch_norm='train'` would have no effect"),
    ],
)
def test_without_open_blocks_it_is_an_error(changes, message):
    recipe = ImageClassifier(schedule=UnfreezeSchedule.head_only(), **changes)
    with pytest.raises(ValueError, match=message):
        recipe.fit(None, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"l2_sp": -1}, "`l2_sp` must be between 0 and"),
        ({"adaptive_clip": 0}, "`adaptive_clip` must be between"),
        ({"batch_norm": "freeze"}, "Unknown batch_norm 'freeze'. Did you mean 'frozen'"),
    ],
)
def test_wrong_numbers(changes, message):
    with pytest.raises(ValueError, match=message):
        ImageClassifier(**changes).fit(None, None)


def test_random_weights_are_nothing_to_hold_on_to():
    recipe = ImageClassifier(weights=None, l2_sp=3.0, schedule=UnfreezeSchedule.full())
    with pytest.raises(ValueError, match="`l2_sp` would pull toward random weights"):
        recipe.fit(None, None)


def test_batch_norm_trains_only_where_there_is_some(fit, small_backbone):
    with pytest.raises(ValueError, match="'tiny' has no BatchNormalization in the blocks that are"):
        fit(batch_norm="train")
    # Its last block has none, the one below has.
    model, recipe = small_backbone.build(), ImageClassifier(batch_norm="train")
    top, more = (UnfreezeSchedule.two_phase(open_fraction=share) for share in (1 / 3, 2 / 3))
    with pytest.raises(
        ValueError, match="'model:small' has no BatchNormalization in the blocks that"
    ):
        check_open_norms(model, small_backbone, recipe, top)
    check_open_norms(model, small_backbone, recipe, more)


def test_the_configuration_carries_them():
    recipe = ImageClassifier(l2_sp=0.1, adaptive_clip=0.02)
    config = json.loads(json.dumps(recipe.get_config()))
    assert ImageClassifier.from_config(config).get_config() == recipe.get_config()
