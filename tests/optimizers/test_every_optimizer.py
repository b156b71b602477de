"""What updates weights, by name: each with rates by block, decay that spares norms, exact state."""

import functools
from dataclasses import replace

import keras
import numpy as np
import pytest

from kerasrecipes import get_backbone
from kerasrecipes.engine.block_optimizers import BlockOptimizers
from kerasrecipes.engine.freezing import FreezePolicy
from kerasrecipes.engine.schedule import Stage
from kerasrecipes.optimizers import AveragedAdamW, KernelMuon, list_optimizers
from kerasrecipes.optimizers.kinds import check_optimizer, make_optimizer, usual_rates

SPEC = replace(get_backbone("efficientnet_lite0"), name="two_convolutions", blocks=("stem", "top"))


def network():
    keras.utils.set_random_seed(0)
    photo = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 3, name="stem")(photo)
    x = keras.layers.Conv2D(4, 3, name="top")(x)
    x = keras.layers.LayerNormalization(name="head_norm")(keras.layers.GlobalMaxPooling2D()(x))
    return keras.Model(photo, keras.layers.Dense(2, name="logits")(x))


def steps(model, optimizer, count):
    """Take steps on gradients that are functions of the step alone."""
    for step in range(count):
        rng = np.random.default_rng(step)
        gradients = [rng.normal(size=v.shape).astype("float32") for v in model.trainable_variables]
        optimizer.apply(gradients, model.trainable_variables)


@pytest.mark.parametrize("name", list_optimizers())
def test_it_keeps_its_state_over_stages_and_breaks_with_rates_that_fall_by_block(name):
    ends = []
    for broken in (False, True):
        model, stages = network(), [Stage("one", 2, 1e-2, 1.0, layer_decay=0.5)] * 2
        optimizers = BlockOptimizers(SPEC, weight_decay=0.1, optimizer=name)
        FreezePolicy(2).apply(model, SPEC)
        first = optimizers.for_stage(model, stages[0], 3)
        steps(model, first, 3)
        if broken:
            state, weights = optimizers.get_state(model), model.get_weights()
            model = network()
            FreezePolicy(2).apply(model, SPEC)
            model.set_weights(weights)
            optimizers = BlockOptimizers(SPEC, weight_decay=0.1, optimizer=name)
            optimizers.set_state(model, state)
        second = optimizers.for_stage(model, stages[1], 3)
        steps(model, second, 2)
        ends.append(model.get_weights())
    for one, other in zip(*ends, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(ends[0][0], network().get_weights()[0])
    rates = sorted(float(one.learning_rate) for one in second.optimizers)
    assert rates[1] / rates[0] == pytest.approx(2) and rates[2] / rates[1] == pytest.approx(2)


@pytest.mark.parametrize("name", list_optimizers())
def test_its_decay_is_apart_from_the_gradient_and_spares_norms_and_biases(name):
    moved = {}
    for decay in (0.0, 0.5):
        model = network()
        optimizer = make_optimizer(name, None, learning_rate=1e-2, weight_decay=decay)
        optimizer.build(model.trainable_variables)
        before = model.get_layer("logits").kernel.numpy()
        steps(model, optimizer, 1)
        moved[decay] = [v.numpy() for v in model.trainable_variables]
    for variable, without, decayed in zip(model.trainable_variables, *moved.values(), strict=True):
        if "kernel" not in variable.path:
            np.testing.assert_array_equal(without, decayed, err_msg=variable.path)
    gone = moved[0.0][-2] - moved[0.5][-2]
    np.testing.assert_allclose(gone, 0.5 * 1e-2 * before, rtol=0.05, atol=2e-5)


def test_schedule_free_is_the_algorithm_of_its_paper():
    rate, decay, b1, b2 = 0.05, 0.1, 0.9, 0.99
    weight = keras.Variable(np.array([[1.0, -2.0]]), name="kernel", dtype="float32")
    optimizer = AveragedAdamW(rate, beta_1=b1, beta_2=b2, weight_decay=decay)
    optimizer.build([weight])
    z = x = y = np.array([[1.0, -2.0]])
    square = np.zeros_like(z)
    for step in range(1, 6):
        gradient = np.sin(step + np.array([[1.0, 5.0]]))
        optimizer.apply([gradient.astype("float32")])
        square = b2 * square + (1 - b2) * gradient**2
        shrunk = y * (1 - rate * decay)  # Keras decays before the step
        z = z - rate * (gradient / (np.sqrt(square / (1 - b2**step)) + 1e-8) + decay * shrunk)
        x = x + (z - x) / step
        y = (1 - b1) * z + b1 * x
        np.testing.assert_allclose(weight.numpy(), y, rtol=1e-4)
    optimizer.finalize_variable_values([weight])
    np.testing.assert_allclose(weight.numpy(), x, rtol=1e-4)


def test_schedule_free_goes_on_from_the_weights_that_were_chosen():
    weight = keras.Variable(np.ones((2, 2)), name="kernel", dtype="float32")
    optimizer = AveragedAdamW(0.1)
    optimizer.build([weight])
    optimizer.apply([np.ones((2, 2), "float32")])
    weight.assign(np.full((2, 2), 7.0))
    optimizer.begin_anew()
    optimizer.apply([np.zeros((2, 2), "float32")])
    np.testing.assert_allclose(weight.numpy(), 7.0, rtol=1e-6)


def test_schedule_free_averages_updates_and_not_the_steps_that_make_them():
    ends = []
    for parts in (None, 2):
        weight = keras.Variable(np.ones((2, 2)), name="kernel", dtype="float32")
        optimizer = AveragedAdamW(0.1, gradient_accumulation_steps=parts)
        optimizer.build([weight])
        for step in range(3):
            for _ in range(parts or 1):
                optimizer.apply([np.full((2, 2), step + 1, "float32")])
        ends.append(weight.numpy())
    np.testing.assert_allclose(*ends, rtol=1e-6)
    with pytest.raises(ValueError, match="which `use_ema=False` would lose"):
        AveragedAdamW(0.1, use_ema=False)
    with pytest.raises(ValueError, match="`beta_1` must be between 0 and 1, not 1"):
        AveragedAdamW(0.1, beta_1=1.0)


def test_muon_moves_all_directions_of_a_convolution_alike():
    shapes = {"mixing": (3, 3, 2, 4), "depthwise": (3, 3, 4, 1)}
    rng = np.random.default_rng(0)
    weights = {
        name: keras.Variable(np.zeros(shape), name=name, dtype="float32")
        for name, shape in shapes.items()
    }
    optimizer = KernelMuon(1e-2, weight_decay=None, adam_weight_decay=None)
    optimizer.build(list(weights.values()))
    optimizer.apply([rng.normal(size=one.shape).astype("float32") for one in weights.values()])
    found = np.linalg.svd(weights["mixing"].numpy().reshape(18, 4))[1]
    assert found.max() / found.min() < 2  # of its gradient, about 1.5 to 4
    rms = np.sqrt((weights["mixing"].numpy() ** 2).mean())
    assert rms == pytest.approx(0.2 * 1e-2, rel=0.35)  # as large as steps of AdamW
    np.testing.assert_allclose(np.abs(weights["depthwise"].numpy()), 1e-2, rtol=1e-3)  # AdamW


def test_a_factory_is_tried_before_training():
    adafactor = functools.partial(keras.optimizers.Adafactor, relative_step=False)
    check_optimizer(adafactor, {"beta_2_decay": -0.7})
    check_optimizer(keras.optimizers.Nadam, None)
    assert usual_rates("sgd") == 10 and usual_rates(adafactor) == 1


@pytest.mark.parametrize(
    ("optimizer", "options", "message"),
    [
        (
            "sgd",
            {"momentun": 0.9},
            "The optimizer 'sgd' has no option 'momentun'. Did you mean",
        ),
        (
            "sgd",
            {"weight_decay": 0.9},
            "holds 'weight_decay', which the recipe sets",
        ),
        ("sgd", {"momentum": 3}, "The `optimizer` 'sgd' cannot be used: `momentum` must be"),
        ("schedule_free_adamw", {"beta_1": 3}, "cannot be used: `beta_1` must be between 0 and 1"),
        (lambda: None, None, "cannot be used: "),
        (
            dict,
            None,
            "`optimizer` dict cannot be used: it makes a dict, not a Keras",
        ),
        (
            lambda learning_rate, **told: keras.optimizers.SGD(learning_rate),
            None,
            "makes one with weight_decay=None where 0.01 was asked for. Let it pass on",
        ),
    ],
)
def test_what_cannot_be_made_is_told(optimizer, options, message):
    with pytest.raises(ValueError) as error:
        check_optimizer(optimizer, options)
    assert message in str(error.value)
