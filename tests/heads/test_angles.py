"""Heads that work with angles: embeddings of length 1, and one direction per class."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasrecipes import ImageClassifier
from kerasrecipes.evaluation.retrieval.ranking import recall_at_k
from kerasrecipes.heads.embedding import EmbeddingHead, neighbour_hits
from kerasrecipes.heads.margin import MarginHead

CLASSES = 4
RNG = np.random.default_rng(0)
# What tells the classes apart is small beside what does not.
CENTRES = np.pad(np.eye(CLASSES), [(0, 0), (0, 4)])
NOISE = [0.5] * 4 + [4.0] * 4


def features(count, seed):
    """Feature maps whose nearest neighbours are hardly of the same class before training."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    maps = CENTRES[labels][:, None, None] + rng.normal(0, NOISE, (count, 2, 2, 8))
    return maps.astype(np.float32), np.eye(CLASSES, dtype=np.float32)[labels]


def built(head):
    given = keras.Input((2, 2, 8))
    return keras.Model(given, head.build(given, width=CLASSES, seed=0))


def fit(head, ema=False, epochs=20):
    """Train as a stage of a recipe does."""
    keras.utils.set_random_seed(0)
    model = built(head)
    training = keras.Model(model.input, model.get_layer(head.trains).output)
    optimizer = keras.optimizers.AdamW(1e-2, use_ema=ema, ema_momentum=0.9)
    training.compile(optimizer, head.loss(), metrics=head.metrics())
    swap = [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] if ema else []
    x, y = features(160, seed=1)
    history = training.fit(x, y, epochs=epochs, batch_size=32, verbose=0, callbacks=swap).history
    return model, history


def embedder(model):
    return keras.Model(model.input, model.get_layer("embedding").output)


@pytest.fixture(scope="module", params=["arcface", "cosface"])
def with_margin(request):
    head = MarginHead(loss_name=request.param, units=16)
    return head, fit(head)[0]


def test_margin_head_learns_and_scores_without_a_margin(with_margin):
    head, model = with_margin
    x, y = features(80, seed=2)
    scores = model.predict(x, verbose=0)
    assert (scores.argmax(axis=1) == y.argmax(axis=1)).mean() > 0.9
    cosines = embedder(model).predict(x, verbose=0) @ model.get_layer("class_directions").kernel
    expected = keras.ops.softmax(head.scale * cosines)
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_directions_have_length_1_from_the_first_step_on(with_margin):
    _, trained = with_margin
    for model in (built(MarginHead()), trained):
        kernel = model.get_layer("class_directions").kernel.numpy()
        np.testing.assert_allclose(np.linalg.norm(kernel, axis=0), 1, atol=1e-5)


def test_averaged_directions_stay_close_to_length_1():
    """Keras averages them without the constraint; they must hardly differ from its result."""
    model, _ = fit(MarginHead(units=16), ema=True)
    lengths = np.linalg.norm(model.get_layer("class_directions").kernel.numpy(), axis=0)
    # A common length only scales all cosines; what differs between classes favours one.
    np.testing.assert_allclose(lengths, 1, atol=0.03)
    np.testing.assert_allclose(lengths / lengths.mean(), 1, atol=0.005)


def test_the_loss_has_the_scale_of_the_head():
    head = MarginHead(scale=12.0, loss_options={"margin": 0.25}, label_smoothing=0.1)
    loss = head.loss(class_counts=[5] * CLASSES)
    assert (loss.scale, loss.margin, loss.label_smoothing) == (12.0, 0.25, 0.1)
    with pytest.raises(ValueError, match="must not have a 'scale' .* head, 12, which a recipe can"):
        MarginHead(scale=12.0, loss_options={"scale": 3.0})
    recipe = ImageClassifier(head="margin", loss_options={"scale": 20})
    with pytest.raises(
        ValueError, match="Leave it out. For a model of your own, pass `scale` to k"
    ):
        recipe.fit(None, None)


@pytest.fixture(scope="module", params=["supervised_contrastive", "semi_hard_triplet"])
def embedded(request):
    head = EmbeddingHead(loss_name=request.param, units=16)
    model, history = fit(head)
    x, y = features(160, seed=1)
    head.finish(model, embedder(model).predict(x, verbose=0), y)
    return model, history


def test_embedding_head_learns_to_find_its_class(embedded):
    model, history = embedded
    x, y = features(80, seed=2)
    found = recall_at_k(embedder(model).predict(x, verbose=0), y.argmax(axis=1), ks=[1])[1]
    before = recall_at_k(x.mean(axis=(1, 2)), y.argmax(axis=1), ks=[1])[1]
    assert before.value < 0.6 and found.value > 0.85
    assert history["neighbour_accuracy"][-1] > history["neighbour_accuracy"][0] + 0.2


def test_scores_are_those_of_the_nearest_class_mean(embedded):
    model, _ = embedded
    (train, y), (x, truth) = features(160, seed=1), features(80, seed=2)
    embeddings = embedder(model).predict(train, verbose=0)
    means = np.stack([embeddings[y[:, k] == 1].mean(axis=0) for k in range(CLASSES)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    cosines = embedder(model).predict(x, verbose=0) @ means.T
    scores = model.predict(x, verbose=0)
    np.testing.assert_allclose(scores, keras.ops.softmax(10 * cosines), atol=1e-5)
    assert (scores.argmax(axis=1) == truth.argmax(axis=1)).mean() > 0.9


def test_what_finish_cannot_use():
    model, embeddings = built(EmbeddingHead(units=16)), RNG.normal(size=(6, 16))
    with pytest.raises(ValueError, match=r"shapes \(n, 16\) and \(n, 4\), not \(6, 16\) and \(6,"):
        EmbeddingHead().finish(model, embeddings, np.eye(3)[[0, 1, 2, 0, 1, 2]])
    with pytest.raises(ValueError, match="a class without a photo"):
        EmbeddingHead().finish(model, embeddings, np.eye(4)[[0, 1, 2, 0, 1, 2]])


def test_neighbours_are_counted_without_the_photo_itself():
    near = np.array([[1, 0], [0.8, 0.6], [0, 1.0]])
    hits = neighbour_hits(np.eye(2)[[0, 0, 1]], near)
    np.testing.assert_array_equal(hits, [1, 1, 0])
    np.testing.assert_array_equal(neighbour_hits(np.eye(2)[:1], near[:1]), [0])


@pytest.mark.parametrize("head", [MarginHead(units=16), EmbeddingHead(units=16)])
def test_reloads_without_classes_of_our_own(head, tmp_path):
    """A saved model must open where this package is not imported: its layers are Keras's."""
    model = built(head)
    assert all(type(layer).__module__.startswith("keras.") for layer in model.layers)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    x = features(4, seed=3)[0]
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("head", [MarginHead(units=16), EmbeddingHead(units=16)])
def test_converts_to_built_in_operations(head):
    model = built(head)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_content=converter.convert())
    runner.allocate_tensors()
    x = features(1, seed=3)[0]
    runner.set_tensor(runner.get_input_details()[0]["index"], x)
    runner.invoke()
    found = runner.get_tensor(runner.get_output_details()[0]["index"])
    np.testing.assert_allclose(found, model.predict(x, verbose=0), atol=1e-5)


def test_angles_are_computed_in_single_precision():
    before = keras.mixed_precision.dtype_policy()
    try:
        keras.mixed_precision.set_dtype_policy("mixed_float16")
        model = built(MarginHead(units=16))
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    assert model.get_layer("projection").compute_dtype == "float16"
    # Squares of these would leave the range of half precision.
    embeddings = embedder(model).predict(300 * features(8, seed=3)[0], verbose=0)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
