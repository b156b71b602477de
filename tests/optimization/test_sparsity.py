"""Which weights become zero when a fraction of all is asked for."""

import keras
import numpy as np
import pytest

from kerasrecipes.callbacks import HoldZeros, MagnitudePruning
from kerasrecipes.callbacks.zeros.kernels import find_kernels
from kerasrecipes.heads import make_head
from kerasrecipes.optimization.channels.pruning import prune_channels
from kerasrecipes.optimization.sparsity import share_sparsity, zero_smallest


def by_definition(kernels, sparsity):
    """Score each weight by the sum over all that are no smaller, and sort everything."""
    scored = []
    for name, kernel in kernels.items():
        squares = np.sort(kernel.ravel() ** 2)
        scored += [(value / squares[i:].sum(), name) for i, value in enumerate(squares)]
    gone = [name for _, name in sorted(scored)[: round(sparsity * len(scored))]]
    return {name: gone.count(name) / kernel.size for name, kernel in kernels.items()}


def test_the_shares_are_those_of_the_paper_and_add_up():
    rng = np.random.default_rng(0)
    kernels = {
        "wide": rng.normal(0, 9.0, (3, 3, 4, 16)),
        "narrow": rng.normal(0, 0.1, (1, 1, 4, 5)),
        "steep": rng.normal(0, 1.0, (30, 3)) ** 3,
    }
    for sparsity in (0.3, 0.8, 0.95):
        shares = share_sparsity(kernels, sparsity)
        assert shares == pytest.approx(by_definition(kernels, sparsity))
        weights = sum(kernel.size for kernel in kernels.values())
        zeros = sum(shares[name] * kernel.size for name, kernel in kernels.items())
        assert zeros == pytest.approx(sparsity * weights, abs=1)
        assert max(shares.values()) < 1
    # The scale of a kernel has no influence.
    scaled = {name: 100 * kernel if name == "wide" else kernel for name, kernel in kernels.items()}
    assert share_sparsity(scaled, 0.8) == pytest.approx(share_sparsity(kernels, 0.8))


def test_weights_that_are_zero_already_are_the_first_to_go():
    kernels = {"full": np.ones(10), "half": np.repeat([0.0, 1.0], 5)}
    assert share_sparsity(kernels, 0.25) == {"full": 0.0, "half": 0.5}


def test_a_model_loses_the_smallest_weights_of_its_kernels():
    photo = keras.Input((8, 8, 3))
    x = keras.layers.DepthwiseConv2D(3, name="depthwise")(keras.layers.Conv2D(8, 3)(photo))
    model = keras.Model(photo, keras.layers.Dense(4)(keras.layers.Flatten()(x)))
    before = {name: kernel.numpy() for name, kernel in find_kernels(model).items()}
    depthwise = model.get_layer("depthwise").get_weights()[0]
    zero_smallest(model, 0.7)
    for name, kernel in find_kernels(model).items():
        stays = kernel.numpy() != 0
        assert np.array_equal(kernel.numpy()[stays], before[name][stays])
        assert np.abs(before[name][~stays]).max() <= np.abs(before[name][stays]).min()
    assert np.array_equal(model.get_layer("depthwise").get_weights()[0], depthwise)


def test_a_pattern_holds_along_the_input_channels():
    photo = keras.Input((8, 8, 3))
    convolution = keras.layers.Conv2D(6, 1)(keras.layers.Conv2D(8, 3, name="three")(photo))
    model = keras.Model(photo, convolution)
    zero_smallest(model, pattern=(2, 4))
    first, second = (kernel.numpy() for kernel in find_kernels(model).values())
    assert first.all()  # three input channels are no multiple of four
    assert (np.moveaxis(second, -2, -1).reshape(-1, 4) != 0).sum(axis=1).tolist() == [2] * 12
    with pytest.raises(ValueError, match="no dense layer with a multiple of 5 input channels"):
        zero_smallest(model, pattern=(2, 5))


def test_a_fraction_that_makes_nothing_zero_is_refused():
    photo = keras.Input((4,))
    model = keras.Model(photo, keras.layers.Dense(5)(photo))
    with pytest.raises(ValueError, match="`sparsity` 0.01 makes none of 20 weights zero. Ask for"):
        zero_smallest(model, 0.01)
    zero_smallest(model, 0.05)  # one of 20
    kernel = model.layers[-1].kernel.numpy()
    assert (kernel == 0).sum() == 1
    zero_smallest(model, 0.03)  # what is zero already counts
    assert np.array_equal(model.layers[-1].kernel.numpy(), kernel)


def ordinal_model(classes):
    photo = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(32, 3, activation="relu", name="wide")(photo)
    return keras.Model(photo, make_head("ordinal").build(x, classes, seed=0))


@pytest.mark.parametrize("classes", [2, 3, 25])
def test_steps_between_ordered_classes_stay_whole(classes):
    model, photos = ordinal_model(classes), np.random.default_rng(0).uniform(0, 255, (4, 16, 16, 3))
    zero_smallest(model, 0.97)
    np.testing.assert_array_equal(model.get_layer("steps").kernel, np.ones((1, classes - 1)))
    assert not model.get_layer("rank").kernel.numpy().all()
    pruned = prune_channels(ordinal_model(classes), channels=0.5, residual=True)
    assert pruned.sizes["wide"] == (32, 16)
    steps = pruned.model.get_layer("steps")
    np.testing.assert_array_equal(steps.kernel, np.ones((1, classes - 1)))
    np.testing.assert_allclose(pruned.model.predict(photos, verbose=0).sum(axis=1), 1, atol=1e-6)


def test_training_with_zeros_leaves_steps_whole_and_of_length_1():
    model = ordinal_model(9)
    training = keras.Model(model.input, model.get_layer("steps").output)
    training.compile(keras.optimizers.Adam(0.01), "mse")
    x, y = np.random.default_rng(1).uniform(0, 255, (8, 16, 16, 3)), np.zeros((8, 8))
    zero_smallest(model, 0.9)
    kept = training.get_layer("rank").kernel.numpy() != 0
    training.fit(x, y, epochs=2, verbose=0, callbacks=[MagnitudePruning(0.9), HoldZeros()])
    np.testing.assert_allclose(training.get_layer("steps").kernel, np.ones((1, 8)), rtol=1e-5)
    assert not (training.get_layer("rank").kernel.numpy()[~kept]).any()
