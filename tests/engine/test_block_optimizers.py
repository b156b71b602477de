"""Optimizers that outlive a stage: state that is kept, rates that fall, warm-up for the new."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from kerasrecipes import get_backbone
from kerasrecipes.engine.block_optimizers import BlockOptimizers
from kerasrecipes.engine.freezing import FreezePolicy
from kerasrecipes.engine.schedule import Stage

SPEC = replace(get_backbone("efficientnet_lite0"), name="two_convolutions", blocks=("stem", "top"))
STEPS = 4


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    photo = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(3, 3, name="stem")(photo)
    x = keras.layers.Conv2D(3, 3, name="top")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(photo, keras.layers.Dense(2, name="logits")(x))


def fit(model, optimizers, stage, open_blocks):
    FreezePolicy(open_blocks).apply(model, SPEC)
    optimizer = optimizers.for_stage(model, stage, STEPS)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4 * STEPS, 8, 8, 3)), np.eye(2)[rng.integers(0, 2, 4 * STEPS)]
    model.fit(x, y, batch_size=4, epochs=stage.epochs, verbose=0, shuffle=False)
    return optimizer


def rates(optimizer):
    return [float(one.learning_rate) for one in getattr(optimizer, "optimizers", [optimizer])]


def test_weights_that_go_on_training_keep_their_moments(model):
    optimizers = BlockOptimizers(SPEC, weight_decay=0.0)
    head = fit(model, optimizers, Stage("head", 2, 1e-3), open_blocks=0)
    assert isinstance(head, keras.optimizers.AdamW)
    moment = head._momentums[0].numpy().copy()
    assert np.abs(moment).max() > 0

    stage = Stage("top", 2, 1e-4, open_fraction=0.5)
    FreezePolicy(1).apply(model, SPEC)
    both = optimizers.for_stage(model, stage, STEPS)
    assert isinstance(both, keras.optimizers.MultiOptimizer)
    assert head in both.optimizers
    np.testing.assert_array_equal(head._momentums[0].numpy(), moment)
    assert int(head.iterations) == 2 * STEPS


def test_what_goes_on_is_past_its_warm_up_and_what_is_new_begins_one(model):
    optimizers = BlockOptimizers(SPEC, weight_decay=0.0)
    fit(model, optimizers, Stage("head", 2, 1e-3), open_blocks=0)
    FreezePolicy(1).apply(model, SPEC)
    stage = Stage("top", 5, 1e-4, open_fraction=0.5, warmup_fraction=0.5)
    both = optimizers.for_stage(model, stage, STEPS)
    assert sorted(rates(both)) == pytest.approx([1e-6, 1e-4])


def test_rates_fall_from_block_to_block(model):
    optimizers = BlockOptimizers(SPEC, weight_decay=0.0)
    FreezePolicy(2).apply(model, SPEC)
    stage = Stage("all", 1, 1e-3, open_fraction=1.0, warmup_fraction=0.0, layer_decay=0.5)
    found = optimizers.for_stage(model, stage, STEPS)
    peaks = {}
    for one in found.optimizers:
        (layer,) = {variable.path.split("/")[0] for variable in one._trainable_variables}
        peaks[layer] = one._learning_rate.warmup_target
    assert peaks == pytest.approx({"logits": 1e-3, "top": 5e-4, "stem": 2.5e-4})


def test_one_rate_trains_like_one_optimizer(model):
    stage = Stage("all", 2, 1e-3, open_fraction=1.0)
    start = model.get_weights()
    fit(model, BlockOptimizers(SPEC, weight_decay=1e-2), stage, open_blocks=2)
    several = model.get_weights()
    model.set_weights(start)
    one = keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(1e-5, 7, warmup_target=1e-3, warmup_steps=1),
        weight_decay=1e-2,
        use_ema=True,
        ema_momentum=0.9,
    )
    one.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4 * STEPS, 8, 8, 3)), np.eye(2)[rng.integers(0, 2, 4 * STEPS)]
    model.compile(one, keras.losses.CategoricalCrossentropy(from_logits=True))
    model.fit(x, y, batch_size=4, epochs=2, verbose=0, shuffle=False)
    for a, b in zip(several, model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_the_average_begins_anew_at_the_chosen_weights(model):
    optimizers = BlockOptimizers(SPEC, weight_decay=0.0)
    head = fit(model, optimizers, Stage("head", 2, 1e-3), open_blocks=0)
    logits = model.get_layer("logits")
    logits.set_weights([np.full((3, 2), 7.0), np.full(2, 7.0)])
    FreezePolicy(1).apply(model, SPEC)
    optimizers.for_stage(model, Stage("top", 1, 1e-4, 0.5), STEPS)
    for average in head._model_variables_moving_average:
        np.testing.assert_array_equal(average.numpy(), np.full(average.shape, 7.0))


def test_accumulated_steps_make_one_update(model):
    optimizers = BlockOptimizers(SPEC, weight_decay=0.0, accumulate=2, ema=False)
    head = fit(model, optimizers, Stage("head", 3, 1e-3), open_blocks=0)
    assert int(head.iterations) == 3 * STEPS // 2


def test_clipping_limits_the_norm_of_a_block(model):
    optimizer = BlockOptimizers(SPEC, weight_decay=0.0, clip_norm=0.5).for_stage(
        model, Stage("all", 1, 1e-3, 1.0), STEPS
    )
    gradients = [np.full((3, 3), 100.0, "float32")]
    for one in optimizer.optimizers:
        (clipped,) = one._clip_gradients(gradients)
        assert np.linalg.norm(clipped) == pytest.approx(0.5)
