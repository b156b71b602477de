"""Our pruning and clustering on Keras 3 begin with the numbers of TFMOT."""

import numpy as np
import pytest

from kerasrecipes.callbacks.zeros.magnitude_pruning import (
    MagnitudePruning,
    largest,
    largest_of_each,
)
from kerasrecipes.optimization import clustering
from kerasrecipes.optimization.tfmot.bridge import import_tfmot

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("begin", "end", "final"), [(0, 40, 0.8), (10, 50, 0.5), (7, 8, 0.95)])
def test_the_schedule_is_polynomial_decay(begin, end, final):
    tfmot, _ = import_tfmot()
    theirs = tfmot.sparsity.keras.PolynomialDecay(0.0, final, begin, end, frequency=3)
    ours = MagnitudePruning(final, begin_step=begin, end_step=end, frequency=3)
    for step in range(begin, end + 20):
        assert ours.sparsity_at(step) == pytest.approx(float(theirs(step)[1]), abs=1e-6)
    assert not any(bool(theirs(step)[0]) or ours.sparsity_at(step) for step in range(begin))


@pytest.mark.parametrize(
    ("name", "arguments", "zeros"),
    [
        ("PolynomialDecay", {"initial_sparsity": 0.0, "final_sparsity": 0.75, "begin_step": 2,
                             "end_step": 14, "frequency": 3}, 0.75),
        ("ConstantSparsity", {"target_sparsity": 0.5, "begin_step": 4, "frequency": 2}, 0.5),
    ],
)  # fmt: skip
def test_their_schedules_drive_our_masks(name, arguments, zeros):
    import keras

    tfmot, _ = import_tfmot()
    schedule, seen = getattr(tfmot.sparsity.keras, name)(**arguments), []
    x = RNG.normal(size=(32, 8)).astype("float32")

    def trained(pruning):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16), keras.layers.Dense(1)])
        model.compile("adam", "mse")
        kernel = model.layers[0].kernel
        note = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: seen.append((kernel.numpy() == 0).mean())
        )
        calls = {"epochs": 2, "batch_size": 4, "verbose": 0, "shuffle": False}
        model.fit(x, x[:, :1], callbacks=[pruning, note], **calls)  # 16 steps
        return kernel.numpy()

    theirs = trained(MagnitudePruning(schedule))
    assert (theirs == 0).mean() == zeros
    for step in range(1, 17):
        turns = [at for at in range(step + 1) if bool(schedule(at)[0])]
        asked = float(schedule(turns[-1])[1]) if turns else 0.0
        assert seen[step - 1] == pytest.approx(asked, abs=0.5 / 128)
    if name == "PolynomialDecay":
        ours = MagnitudePruning(0.75, begin_step=2, end_step=14, frequency=3)
        np.testing.assert_array_equal(trained(ours), theirs)


def test_a_schedule_says_all_of_it():
    tfmot, _ = import_tfmot()
    schedule = tfmot.sparsity.keras.ConstantSparsity(0.5, 0)
    for name, value in {"frequency": 5, "begin_step": 2, "end_step": 9, "pattern": (2, 4)}.items():
        with pytest.raises(ValueError, match=f"`{name}` would have no effect beside a schedule"):
            MagnitudePruning(schedule, **{name: value})


def their_mask(values, sparsity, **pattern):
    import tensorflow as tf

    import_tfmot()
    from tensorflow_model_optimization.python.core.sparsity.keras.pruning_impl import Pruning

    weight, mask = tf.Variable(values), tf.Variable(np.ones_like(values))
    threshold = tf.Variable(0.0)
    pruning = Pruning(
        lambda: tf.constant(0),
        lambda: [(weight, mask, threshold)],
        lambda step: (True, tf.constant(sparsity)),
        (1, 1),
        "AVG",
        **pattern,
    )
    if pattern:
        return pruning._update_mask_sparsity_m_by_n(weight, (2, 4)).numpy()
    return pruning._update_mask(weight)[1].numpy()


def test_the_masks_are_the_same():
    values = RNG.normal(size=(3, 3, 8, 5)).astype("float32")
    for sparsity in (0.25, 0.5, 0.9):
        assert np.array_equal(their_mask(values, sparsity), largest(np.abs(values), sparsity))
    two_of_four = their_mask(values, 0.5, sparsity_m_by_n=(2, 4))
    assert np.array_equal(two_of_four, largest_of_each(np.abs(values), 2, 4))


def test_clusters_begin_with_linear_centroids(monkeypatch):
    import tensorflow as tf

    import_tfmot()
    from tensorflow_model_optimization.python.core.clustering.keras import (
        cluster_config,
        clustering_algorithm,
        clustering_centroids,
    )

    values = RNG.normal(size=(20, 30)).astype("float32")
    start = clustering_centroids.LinearCentroidsInitialisation(values, 16)
    centroids = np.sort(start.get_cluster_centroids().numpy())
    theirs = clustering_algorithm.ClusteringAlgorithm(
        tf.Variable(centroids), cluster_config.GradientAggregation.AVG
    )
    expected = centroids[theirs.get_pulling_indices(values).numpy()]
    moved = clustering.shared_values(values, 16)
    monkeypatch.setattr(clustering, "PASSES", 0)
    assert clustering.shared_values(values, 16) == pytest.approx(expected, abs=1e-5)
    # From there, theirs go on by training, and ours by k-means, which is nearer to the weights.
    assert ((moved - values) ** 2).sum() < ((expected - values) ** 2).sum()
