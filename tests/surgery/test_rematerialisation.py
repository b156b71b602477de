"""Blocks computed twice: the same gradients, and less that is kept for them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasrecipes import UnfreezeSchedule
from kerasrecipes.engine.devices.split_step import stage_model
from kerasrecipes.surgery.rematerialisation import rematerialised


@pytest.fixture(scope="module")
def make(tiny_spec, quick_recipe):
    def recipe(**changes):
        settings = {
            "backbone": tiny_spec(),
            "schedule": UnfreezeSchedule.two_phase(epochs=2, head_epochs=1, open_fraction=0.5),
        }
        return quick_recipe(**{**settings, **changes})

    return recipe


def with_head(spec):
    backbone = spec.build((48, 48))
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(backbone.output)
    kernel = keras.initializers.RandomNormal(seed=0)
    logits = keras.layers.Dense(3, kernel_initializer=kernel, name="logits")(pooled)
    return keras.Model(backbone.input, logits)


def gradient_graph(model):
    """Return a function for the loss's gradients, and the operations that it runs."""

    @tf.function
    def gradients(photos):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(photos, training=True) ** 2)
        return tape.gradient(loss, model.trainable_weights)

    photos = tf.constant(np.random.default_rng(0).uniform(0, 255, (2, 48, 48, 3)), tf.float32)
    graph = gradients.get_concrete_function(photos).graph.as_graph_def()
    nodes = [*graph.node, *(node for one in graph.library.function for node in one.node_def)]
    convolutions = sum(node.op == "Conv2D" for node in nodes)
    return [np.asarray(one) for one in gradients(photos)], convolutions


def test_the_same_gradients_from_a_graph_that_computes_blocks_again(tiny_spec):
    spec = tiny_spec()
    model = with_head(spec)
    again = rematerialised(model, spec, 0, model.input, model.output, False)
    plain, once = gradient_graph(model)
    other, twice = gradient_graph(keras.Model(model.input, again))
    assert (once, twice) == (2, 4)
    for one, two in zip(plain, other, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5 * np.abs(one).max())


def test_blocks_are_computed_again_in_each_part_of_a_batch(tiny_spec):
    """One step of a batch in three parts, blocks computed twice, against the plain step."""
    rng = np.random.default_rng(0)
    photos, targets = rng.uniform(0, 255, (7, 48, 48, 3)), rng.uniform(0, 1, (7, 3))
    stepped = []
    for split in (False, True):
        spec = tiny_spec()
        model = with_head(spec)
        end = model.output
        if split:
            end = rematerialised(model, spec, 0, model.input, end, False)
        trained = stage_model(model.input, end, parts=3 if split else 1)
        trained.compile(keras.optimizers.SGD(1e-3), "mse")
        loss = trained.train_on_batch(photos, targets, np.linspace(0.5, 2, 7))
        stepped.append((loss, trained.get_weights()))
    (loss, weights), (other_loss, others) = stepped
    assert loss == pytest.approx(other_loss, rel=1e-5)
    for before, one, other in zip(
        with_head(tiny_spec()).get_weights(), weights, others, strict=True
    ):
        moved = np.abs(one - before).max()
        assert moved > 0
        assert np.abs(one - other).max() < 1e-3 * moved


@pytest.mark.parametrize("cache_gb", [4.0, pytest.param(0.0, marks=pytest.mark.proof)])
def test_a_fit_ends_alike(part_sets, make, cache_gb):
    fits = [make(rematerialise=wish, cache_gb=cache_gb) for wish in (False, True)]
    reports = [one.fit(*part_sets[:2], verbose=False) for one in fits]
    one, other = (report.stages[1].history["loss"] for report in reports)
    np.testing.assert_allclose(one, other, rtol=1e-4)
    start = fits[0].backbone.build((48, 48)).get_weights()
    for a, b, before in zip(*(fit.model_.get_weights() for fit in fits), start, strict=False):
        assert np.abs(a - b).max() <= 1e-2 * np.abs(a - before).max() + 1e-7


def test_without_an_effect_it_is_an_error(part_sets, make, tiny_spec):
    head_only = UnfreezeSchedule.head_only(epochs=1)
    with pytest.raises(ValueError, match="no effect: no stage of the schedule opens a block"):
        make(rematerialise=True, schedule=head_only).fit(None, None)

    def graph(photo):
        x = keras.layers.Conv2D(4, 3, name="stem_conv")(photo)
        x = keras.layers.Dropout(0.5, name="drop")(x)
        return keras.layers.Conv2D(4, 3, name="top_conv")(x)

    random = tiny_spec(build_graph=graph, feature_size=4, load_default=lambda model: None)
    full = UnfreezeSchedule.full(epochs=1)
    recipe = make(rematerialise=True, backbone=random, schedule=full)
    recipe.fit(*part_sets[:2], verbose=False)  # the stem, which drops nothing
    half = UnfreezeSchedule.two_phase(epochs=1, head_epochs=1, open_fraction=0.5)
    with pytest.raises(ValueError, match="each open block of 'tiny' drops something out at random"):
        make(rematerialise=True, backbone=random, schedule=half).fit(*part_sets[:2])
