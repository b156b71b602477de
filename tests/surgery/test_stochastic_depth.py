"""Residual branches are found, left out in training only, and gone from what is returned."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasrecipes import UnfreezeSchedule, get_backbone
from kerasrecipes.surgery.stochastic_depth import drop_branches, residual_branches


def residual_graph(photo):
    """Three residual blocks: an identity, one with a projection, and one of a plain `+`."""
    x = layers.Rescaling(1 / 128, -1, name="scale")(photo)
    x = layers.Conv2D(8, 5, 4, activation="relu", name="stem_conv")(x)
    y = layers.Conv2D(8, 3, padding="same", name="first_conv")(x)
    x = layers.Add(name="first_add")([x, y])
    y = layers.Conv2D(12, 3, 2, padding="same", activation="relu", name="second_conv")(x)
    y = layers.Conv2D(12, 3, padding="same", name="second_more")(y)
    x = layers.Conv2D(12, 1, 2, name="second_projection")(x)
    x = layers.Add(name="second_add")([y, x])
    y = layers.Conv2D(12, 3, padding="same", name="third_conv")(x)
    return y + x


@pytest.fixture
def spec(tiny_spec):
    blocks = ("stem_.+", "first_.+", "second_.+", "third_.+")
    return tiny_spec("residual", 12, build_graph=residual_graph, blocks=blocks)


def sides(model, branches):
    """Return, for each addition, the layer whose output is left out."""
    found = {}
    for operation in model.operations:
        if operation.name in branches:
            inputs = operation._inbound_nodes[0].input_tensors
            found[operation.name] = inputs[branches[operation.name].place]._keras_history[0].name
    return found


def test_branches_are_found_whatever_the_order_of_the_sides(spec):
    model = spec.build()
    branches = residual_branches(model, 0.6)
    assert list(sides(model, branches).values()) == ["first_conv", "second_more", "third_conv"]
    assert [one.rate for one in branches.values()] == pytest.approx([0.2, 0.4, 0.6])


@pytest.mark.parametrize(
    ("name", "count", "ends"),
    [("efficientnet_lite0", 9, "project_bn"), ("resnet50_v2", 16, "_3_conv")],
)
def test_branches_of_the_catalogue(name, count, ends):
    model = get_backbone(name).build(64, weights=None)
    branches = residual_branches(model, 0.2)
    found = list(sides(model, branches).values())
    assert len(found) == count
    assert all(side.endswith(ends) for side in found), found


def test_what_is_added_beside_the_photo_is_no_residual_block():
    photo = keras.Input((8, 8, 3))
    a, b = layers.Conv2D(4, 3)(photo), layers.Conv2D(4, 3)(photo)
    assert residual_branches(keras.Model(photo, layers.Add()([a, b])), 0.5) == {}


def test_they_are_left_out_photo_by_photo_and_in_training_only(spec):
    model = spec.build()
    x = np.random.default_rng(0).uniform(0, 255, (400, 48, 48, 3)).astype("float32")
    whole = np.asarray(model(x))
    part = keras.Model(spec.boundary(model, 3), model.output)
    features = np.asarray(keras.Model(model.input, spec.boundary(model, 3))(x))
    training = drop_branches(part, residual_branches(model, 0.6), (7,))
    np.testing.assert_array_equal(np.asarray(training(features)), np.asarray(part(features)))
    np.testing.assert_array_equal(np.asarray(model(x, training=True)), whole)
    assert {id(w) for w in training.weights} == {id(w) for w in part.weights}

    dropped = np.asarray(training(features, training=True))
    branch = (whole - features).reshape(400, -1)
    share = ((dropped - features).reshape(400, -1) * branch).sum(1) / (branch**2).sum(1)
    assert set(np.round(share, 3)) == {0.0, 2.5}  # nothing, or 1 / (1 - 0.6) of it
    assert np.mean(share == 0) == pytest.approx(0.6, abs=0.08)
    again = drop_branches(part, residual_branches(model, 0.6), (7,))
    np.testing.assert_array_equal(np.asarray(again(features, training=True)), dropped)
    other = drop_branches(part, residual_branches(model, 0.6), (8,))
    assert not np.array_equal(np.asarray(other(features, training=True)), dropped)


@pytest.fixture
def fit(part_sets, spec, quick_recipe):
    def run(callbacks=(), run_folder=None, resume=False, **changes):
        schedule = UnfreezeSchedule.two_phase(3, 3e-3, head_epochs=1, open_fraction=0.5)
        settings = {"backbone": spec, "schedule": schedule, "augment": "none"}
        recipe = quick_recipe(**{**settings, "stochastic_depth": 0.5, **changes})
        recipe.fit(*part_sets[:2], callbacks=callbacks, run_folder=run_folder, resume=resume)
        return recipe

    return run


def weights(recipe):
    return recipe.model_.get_weights()


def test_a_fit_returns_a_plain_model(fit, part_sets, capsys):
    recipe, plain = fit(), fit(stochastic_depth=0.0)
    said = capsys.readouterr().err
    assert "2 residual branches are left out at times, 0.33 to 0.5 of the steps." in said
    names = [layer.name for layer in recipe.model_.layers]
    assert names == [layer.name for layer in plain.model_.layers]
    opened = [one.model_.get_layer("third_conv").get_weights()[0] for one in (recipe, plain)]
    assert not np.array_equal(*opened)
    stage = recipe.report_.stages[-1]
    measured = min(stage.history["val_loss"])
    scores = recipe.predict(part_sets[1])
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    assert float(loss(np.eye(3)[part_sets[1].labels], scores)) == pytest.approx(measured, rel=1e-3)


@pytest.mark.proof
def test_it_goes_on_exactly_after_a_break(fit, tmp_path):
    """With all that holds training back: the draws, the start of L2-SP and the statistics."""

    class Cut(keras.callbacks.Callback):
        armed = True

        def on_epoch_begin(self, epoch, logs=None):
            if self.armed and epoch == 3:  # the last of all, the third of its stage
                raise InterruptedError

        def get_state(self):
            return {}

        def set_state(self, state):
            pass

    changes = {"l2_sp": 3.0, "adaptive_clip": 0.05, "head_norm": "layer"}
    whole = fit(**changes)
    with pytest.raises(InterruptedError):
        fit([Cut()], tmp_path / "run", **changes)
    Cut.armed = False
    resumed = fit([Cut()], tmp_path / "run", resume=True, **changes)
    for one, other in zip(weights(whole), weights(resumed), strict=True):
        np.testing.assert_array_equal(one, other)


def test_without_residual_blocks_it_is_an_error(part_sets, tiny_spec, quick_recipe, fit):
    told = "`stochastic_depth` would have no effect: of 0 residual branches of 'tiny'"
    with pytest.raises(ValueError, match=told):
        quick_recipe(backbone=tiny_spec(), stochastic_depth=0.2).fit(*part_sets[:2], verbose=False)
    with pytest.raises(ValueError, match="`stochastic_depth=0.5` would have no effect"):
        fit(schedule=UnfreezeSchedule.head_only())
    with pytest.raises(ValueError, match="`stochastic_depth` must be between 0 and 0.95"):
        fit(stochastic_depth=1.0)
