import keras
import numpy as np
import pytest
from keras import layers

from kerasrecipes.callbacks.zeros.shared_weights import HoldClusters
from kerasrecipes.optimization.clustering import cluster_weights, shared_values
from kerasrecipes.optimization.weight_report import report_weights

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 8, 8, 3)).astype("float32")
Y = RNG.normal(size=(32, 2)).astype("float32")


def new_model():
    keras.utils.set_random_seed(0)
    photo = keras.Input((8, 8, 3))
    x = layers.Conv2D(32, 3, activation="relu", name="conv")(photo)
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = layers.Conv2D(64, 1, activation="relu", name="wide")(x)
    x = layers.Dense(2, name="dense")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(photo, x, name="small")
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model


def test_values_are_the_means_of_what_is_nearest_to_them():
    values = RNG.normal(size=(40, 30)).astype("float32")
    found = shared_values(values, 8)
    centres = np.unique(found)
    assert len(centres) == 8
    nearest = np.abs(values[..., None] - centres).argmin(axis=-1)
    assert (centres[nearest] == found).all()
    for index, centre in enumerate(centres):
        assert centre == pytest.approx(values[nearest == index].mean(), abs=1e-4)
    assert ((found - values) ** 2).mean() < 0.05 * values.var()


def test_zeros_stay_zero():
    values = RNG.normal(size=500)
    values[::2] = 0
    found = shared_values(values, 4)
    assert (found[::2] == 0).all()
    assert len(np.unique(found)) == 4
    assert (found[1::2] != 0).all()


def test_a_clustered_model_zips_better_and_answers_alike():
    model = new_model()
    before, answers = report_weights(model), model.predict(X, verbose=0)
    after = cluster_weights(model, clusters=16)
    assert after.raw_bytes == before.raw_bytes == 4 * model.count_params()
    assert after.zipped_bytes < 0.45 * before.zipped_bytes
    assert [row.layer for row in after.rows] == ["conv", "wide", "dense"]
    assert max(row.values for row in after.rows) == 16
    assert np.corrcoef(model.predict(X, verbose=0).ravel(), answers.ravel())[0, 1] > 0.95
    assert "zipped" in str(after)


def test_only_matching_layers_change():
    model = new_model()
    rows = cluster_weights(model, 8, match="^conv$").rows
    assert [row.values <= 8 for row in rows] == [True, False, False]


def test_training_keeps_the_clusters_and_moves_their_values():
    model = new_model()
    cluster_weights(model, 8, match="conv|wide")
    kernels = [model.get_layer(name).kernel for name in ("conv", "wide")]
    before = [kernel.numpy() for kernel in kernels]
    hold = HoldClusters()
    losses = model.fit(X, Y, epochs=5, verbose=0, callbacks=[hold]).history["loss"]
    assert hold.summary() == {"kernels": 2}  # the dense one shares nothing
    assert losses[-1] < losses[0]
    for kernel, old in zip(kernels, before, strict=True):
        pairs = np.unique(np.stack([old.ravel(), kernel.numpy().ravel()]), axis=1)
        assert pairs.shape[1] == len(np.unique(old))  # each old value has one new one
        assert np.abs(pairs[0] - pairs[1]).max() > 1e-3


def test_a_shared_step_is_that_of_the_mean_gradient():
    model = new_model()
    cluster_weights(model, 4, match="^conv$")
    model.compile(keras.optimizers.SGD(0.1), "mse")
    kernel = model.get_layer("conv").kernel
    old = kernel.numpy()
    model.fit(X, Y, batch_size=32, epochs=1, verbose=0)
    gradient = (old - kernel.numpy()) / 0.1
    again = new_model()
    cluster_weights(again, 4, match="^conv$")
    again.compile(keras.optimizers.SGD(0.1), "mse")
    again.fit(X, Y, batch_size=32, epochs=1, verbose=0, callbacks=[HoldClusters("^conv$")])
    for value in np.unique(old):
        step = (value - again.get_layer("conv").kernel.numpy()[old == value]) / 0.1
        assert step == pytest.approx(gradient[old == value].mean(), abs=1e-4)


def test_what_would_have_no_effect_is_an_error():
    model = new_model()
    with pytest.raises(ValueError, match="HoldClusters finds no shared values"):
        model.fit(X, Y, verbose=0, callbacks=[HoldClusters()])
    with pytest.raises(ValueError, match="`clusters` must be a whole number from 2 to 256, not 1"):
        cluster_weights(model, 1)
    with pytest.raises(ValueError, match="would change nothing: .* match 'stem': none"):
        cluster_weights(model, match="stem")
    cluster_weights(model, 8)
    with pytest.raises(ValueError, match="have no more than 8 values"):
        cluster_weights(model, 8)
    with pytest.raises(ValueError, match="no convolution and no dense layer"):
        report_weights(keras.Sequential([keras.Input((2,)), layers.ReLU()]))
