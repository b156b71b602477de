"""Pruning and clustering of a fitted recipe, from photos to a bundle that tells of it."""

import numpy as np
import pytest

from kerasrecipes import (
    DataError,
    ImageClassifier,
    MagnitudePruning,
    MovingAverage,
    NotFittedError,
    StochasticWeightAveraging,
    cluster,
    prune,
)
from kerasrecipes.callbacks.zeros.kernels import find_kernels
from kerasrecipes.optimization.pruning import pruned_model
from kerasrecipes.optimization.weight_report import model_facts


@pytest.fixture(scope="module")
def halved(small_fitted, part_sets):
    train, val, _ = part_sets
    return prune(small_fitted, train, val, channels=0.5, epochs=4, verbose=False)


def test_channels_go_and_the_recipe_goes_on(small_fitted, halved, part_sets, tmp_path):
    test = part_sets[2]
    before = small_fitted.model_.get_layer("expand").get_weights()[0].shape
    assert before[-1] == 32 and not small_fitted.report_.optimization
    assert halved.model_.get_layer("expand").get_weights()[0].shape[-1] == 16
    (step,) = halved.report_.optimization
    assert step["after"]["multiply_adds"] < 0.8 * step["before"]["multiply_adds"]
    assert step["before"]["val_accuracy"] == small_fitted.report_.evaluations["val"].accuracy.value
    assert halved.report_.stages[-1].name == "after pruning"
    assert len(halved.report_.stages) == len(small_fitted.report_.stages) + 1
    halved.evaluate(test)
    bundle = halved.save(tmp_path / "half")
    assert bundle.export("tflite", "float32").size_bytes > 0
    loaded = ImageClassifier.load(bundle.folder)
    assert loaded.predict(test) == pytest.approx(halved.predict(test), abs=1e-5)
    # A loaded recipe can be made smaller still.
    train, val, _ = part_sets
    again = prune(loaded, train, val, max_multiply_adds=0.7, epochs=1, verbose=False)
    assert [one["name"] for one in again.report_.optimization] == ["prune", "prune"]
    ratio = model_facts(again.model_)["multiply_adds"] / model_facts(loaded.model_)["multiply_adds"]
    assert ratio <= 0.7


def test_zeros_come_and_hold_and_are_told_honestly(small_fitted, part_sets):
    train, val, _ = part_sets
    sparse = prune(small_fitted, train, val, sparsity=0.8, epochs=3, verbose=False)
    kernels = [k.numpy() for k in find_kernels(sparse.model_).values()]
    weights = sum(kernel.size for kernel in kernels)
    zeros = sum((kernel == 0).sum() for kernel in kernels)
    assert zeros / weights == pytest.approx(0.8, abs=len(kernels) / weights)
    assert all(kernel.any() for kernel in kernels)
    (step,) = sparse.report_.optimization
    before, after = step["before"], step["after"]
    assert after["weight_bytes"] == before["weight_bytes"]
    assert after["zipped_bytes"] < 0.5 * before["zipped_bytes"]
    assert after["sparse_file_bytes"] < before["sparse_file_bytes"]
    assert after["multiply_adds"] == before["multiply_adds"]
    assert "80% of the weights in kernels are zero" in step["summary"]
    assert "no faster" in step["summary"]
    megabytes = f"{after['sparse_file_bytes'] / 1e6:.2f} MB"
    assert (
        f"leaves zeros out, which `export` does not write, would take {megabytes}"
        in (step["summary"])
    )
    assert sparse.report_.stages[-1].name == "after pruning"


@pytest.mark.proof
def test_clusters_hold(small_fitted, part_sets):
    train, val, _ = part_sets
    clustered = cluster(small_fitted, train, val, clusters=8, epochs=1, verbose=False)
    kernel = clustered.model_.get_layer("last").get_weights()[0]
    assert len(np.unique(kernel)) <= 8
    assert clustered.report_.optimization[0]["name"] == "cluster"


QUICK = ("mobilenet_v2", "mobilenet_v3_small")
# Lite1 and Lite2 have the layers of Lite0; that their channels go is in `test_channel_pruning`.
FAMILIES = [*QUICK, "efficientnet_lite0", "efficientnet_v2_b0", "resnet50_v2"]


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.proof) for name in FAMILIES],
)
def test_the_known_families_lose_half_of_their_arithmetic(name, part_sets, monkeypatch):
    import keras

    from kerasrecipes import get_backbone
    from kerasrecipes.heads import make_head
    from kerasrecipes.optimization import pruning

    # As exact with few photos, and much quicker.
    monkeypatch.setattr(pruning, "SCORED_PHOTOS", 6)
    monkeypatch.setattr(pruning, "reestimate_batch_norm", lambda model, photos, **_: None)
    backbone = get_backbone(name).build(32, None)
    scores = make_head("classification").build(backbone.output, 3, 0)
    model = keras.Model(backbone.input, scores)
    residual = name == "mobilenet_v3_small"
    pruned = pruned_model(model, part_sets[0], max_multiply_adds=0.55, residual=residual)
    before, after = pruned.multiply_adds
    assert after <= 0.55 * before
    assert np.isfinite(pruned.model(np.full((1, 32, 32, 3), 99.0), training=False)).all()


def test_norms_whose_output_cannot_be_kept_stay_as_they_are(part_sets):
    import keras

    photo = keras.Input((32, 32, 3))
    x = keras.layers.BatchNormalization(scale=False, name="norm")(keras.layers.Conv2D(32, 3)(photo))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
    model = keras.Model(photo, keras.layers.Dense(3, "softmax")(x))
    pruned = pruned_model(model, part_sets[0], channels=0.5).model
    assert np.array_equal(pruned.get_layer("norm").moving_mean, np.zeros(16))


def test_wrong_use_is_named(small_fitted, part_sets):
    train, val, _ = part_sets
    for arguments, kind, message in (
        ({}, ValueError, "Pass exactly one of .* not none of them"),
        ({"channels": 0.5, "sparsity": 0.5}, ValueError, "not `channels` and `sparsity`"),
        ({"sparsity": 0.5, "residual": True}, ValueError, "`residual` has no effect with"),
        ({"sparsity": 80}, ValueError, "`sparsity` must lie between 0 and 1, not 80"),
        ({"pattern": (2, 48)}, ValueError, "no dense layer with a multiple of 48 input channels"),
        ({"pattern": 2}, ValueError, r"`pattern` must be two whole .*, e.g. \(2, 4\), not 2"),
        ({"sparsity": {"top": 0.5}}, ValueError, "`sparsity` must be one number .* not {'top': 0."),
        ({"sparsity": 1e-9}, ValueError, r"`sparsity` 1e-09 makes none of \d+ weights zero. Ask"),
        ({"channels": "x"}, ValueError, "it must lie between 0 and 1, not 'x'"),
        (
            {"channels": 0.5, "epochs": 1.5},
            ValueError,
            "`epochs` must be a whole number .* not 1.5",
        ),
        ({"channels": 1.5}, ValueError, "`channels` is the fraction of the channels that go; it"),
        ({"max_multiply_adds": 50}, ValueError, "fraction of the multiply-adds that may be left"),
    ):
        with pytest.raises(kind, match=message):
            prune(small_fitted, train, val, verbose=False, **arguments)
    for callback, ways in (
        (StochasticWeightAveraging(1), ({"sparsity": 0.5}, {"channels": 0.5})),
        (MagnitudePruning(0.8), ({"sparsity": 0.5}, {"channels": 0.5})),
        (MovingAverage(), ({"channels": 0.5},)),
    ):
        for way in ways:
            with pytest.raises(ValueError, match=f"holds a {type(callback).__name__}: "):
                prune(small_fitted, train, val, callbacks=[callback], **way)
    with pytest.raises(NotFittedError, match="has no `labels_` yet"):
        prune(ImageClassifier(), train, val, channels=0.5)
    with pytest.raises(NotFittedError):
        cluster(ImageClassifier(), train, val)
    with pytest.raises(ValueError, match="`clusters` must be a whole number"):
        cluster(small_fitted, train, val, clusters=1)
    with pytest.raises(ValueError, match="`epochs` must be a whole number from 1 on, not 1.5"):
        cluster(small_fitted, train, val, epochs=1.5)
    with pytest.raises(DataError, match="`val` is empty"):
        prune(small_fitted, train, val.select([]), channels=0.5)
