"""Files with further signatures: features, and a last layer that learns on the device."""

import numpy as np
import pytest

from kerasrecipes.export import get_format
from kerasrecipes.export.tflite import tflite
from kerasrecipes.export.tflite.graph import inspect_file
from tiny_bundle import contract_of

NAMES = ["blue", "green", "red"]


def interpreter(path):
    from ai_edge_litert.interpreter import Interpreter

    found = Interpreter(model_path=str(path))
    found.allocate_tensors()
    return found


@pytest.fixture(scope="module")
def learner(tiny, tmp_path_factory):
    """An untrained model, its file with all signatures, photos and labels."""
    model = tiny.untrained_model()
    path = tflite.write(
        model, tmp_path_factory.mktemp("learner") / "m.tflite", contract=contract_of(NAMES),
        signatures=("embed", "train"),
    )  # fmt: skip
    return (model, path, *tiny.colour_photos(60, seed=3))


def embed_all(runtime, photos):
    run = runtime.get_signature_runner("embed")
    return np.concatenate([run(photo=photo[None])["features"] for photo in photos])


def test_file_has_five_signatures_and_built_in_operators_only(learner):
    _, path, _, _ = learner
    found = interpreter(path).get_signature_list()
    assert set(found) == {"classify", "embed", "train", "save", "restore"}
    assert set(found["train"]["inputs"]) == {"features", "labels", "learning_rate"}
    assert inspect_file(path).custom_ops == ()


def test_the_weights_are_in_the_file_once(learner, trained, tmp_path):
    _, path, _, _ = learner
    plain = tflite.write(trained, tmp_path / "m.tflite", contract=contract_of(NAMES))
    assert inspect_file(path).constant_bytes < 1.2 * inspect_file(plain).constant_bytes


def test_it_still_is_the_classifier_and_carries_its_labels(learner):
    model, path, photos, _ = learner
    expected = model.predict(photos.astype("float32"), verbose=0)
    np.testing.assert_allclose(tflite.load(path)(photos)["scores"], expected, atol=1e-5)
    assert get_format("tflite").read_contract(path).output.class_names == tuple(NAMES)


def test_the_head_learns_on_the_device_and_is_kept(learner):
    import keras

    model, path, photos, labels = learner
    runtime = interpreter(path)
    features = embed_all(runtime, photos)
    pooled = keras.Model(model.input, model.layers[-1].input)
    expected = pooled.predict(photos.astype("float32"), verbose=0)
    np.testing.assert_allclose(features, expected, atol=1e-5)

    train, classify = (runtime.get_signature_runner(name) for name in ("train", "classify"))
    rate, targets = np.float32(2.0), labels.astype(np.int32)
    losses = [
        float(train(features=features, labels=targets, learning_rate=rate)["loss"])
        for _ in range(200)
    ]
    assert losses[-1] < 0.5 < losses[0]
    learnt = np.concatenate([classify(photo=photo[None])["scores"] for photo in photos])
    assert np.mean(learnt.argmax(1) == labels) > 0.9

    kept = runtime.get_signature_runner("save")()
    fresh = interpreter(path)
    assert fresh.get_signature_runner("restore")(**kept)["classes"] == 3
    again = fresh.get_signature_runner("classify")
    assert np.array_equal(again(photo=photos[:1])["scores"], learnt[:1])


def test_one_step_is_the_gradient_of_cross_entropy(learner):
    """Against Keras's own stochastic gradient descent."""
    import keras

    model, path, photos, labels = learner
    runtime = interpreter(path)
    features, targets = embed_all(runtime, photos[:8]), labels[:8].astype(np.int32)
    runtime.get_signature_runner("train")(
        features=features, labels=targets, learning_rate=np.float32(0.5)
    )
    found = runtime.get_signature_runner("save")()

    dense = keras.layers.Dense(3, activation="softmax")
    head = keras.Sequential([keras.Input(features.shape[1:]), dense])
    dense.set_weights(model.layers[-1].get_weights())
    head.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
    head.train_on_batch(features, targets)
    for name, expected in zip(("kernel", "bias"), dense.get_weights(), strict=True):
        np.testing.assert_allclose(found[name], expected, atol=1e-5)


def test_embed_alone_keeps_no_state(trained, tiny, tmp_path):
    path = tflite.write(
        trained, tmp_path / "m.tflite", contract=contract_of(NAMES), signatures=("embed",)
    )
    assert set(interpreter(path).get_signature_list()) == {"classify", "embed"}
    assert not [op for op in inspect_file(path).ops if "VAR" in op]
    assert embed_all(interpreter(path), tiny.colour_photos(2, seed=1)[0]).shape == (2, 32)


def test_it_is_exported_verified_and_the_default_stays_as_it_was(bundle):
    record = bundle.export("tflite", signatures=("embed", "train"))
    assert record.verification["passed"] and record.verification["largest_gap"] < 1e-4
    plain = bundle.export("tflite", overwrite=True)
    assert list(interpreter(plain.path).get_signature_list()) == ["serving_default"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"signatures": ("embd",)}, r"Unknown signature 'embd'. Did you mean 'embed'\?"),
        ({"signatures": ("train",)}, r"`signatures` must be \(\"embed\",\) or"),
        ({"signatures": "embed"}, r"`signatures` must be \(\"embed\",\) or"),
        ({"signatures": ("embed",), "quantization": "float16"}, "written in float32 only"),
    ],
)
def test_wrong_signatures(trained, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        tflite.write(trained, tmp_path / "m.tflite", contract=contract_of(NAMES), **options)


def test_models_that_end_otherwise_are_refused(tmp_path):
    import keras

    photo = keras.Input((8, 8, 3))
    model = keras.Model(photo, keras.layers.Softmax()(keras.layers.GlobalAveragePooling2D()(photo)))
    with pytest.raises(ValueError, match="ends in a dense layer with biases and a softmax"):
        tflite.write(
            model, tmp_path / "m.tflite", contract=contract_of(NAMES), signatures=("embed",)
        )
