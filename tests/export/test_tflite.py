"""Writing and loading TFLite files, and the traps that plain conversion falls into."""

import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest

from keras_versions import INNER_CALLS_TRAIN
from kerasrecipes.errors import DataError, VerificationError
from kerasrecipes.export.checks import check_model
from kerasrecipes.export.format import GraphFacts
from kerasrecipes.export.tflite import convert as tflite_convert, tflite
from kerasrecipes.export.tflite.graph import (
    float_beginning,
    float_head,
    inspect_content,
    inspect_file,
)
from tiny_bundle import contract_of

NAMES = ["blue", "green", "red"]


@pytest.fixture(scope="module")
def photos(tiny):
    return tiny.colour_photos(30, seed=7)[0]


@pytest.fixture(scope="module")
def files(tiny, trained, photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    calibration = tiny.colour_photos(30, seed=2)[0]
    for quantization in tflite.QUANTIZATIONS:
        tflite.write(
            trained,
            folder / f"{quantization}.tflite",
            quantization=quantization,
            calibration=calibration,
            contract=contract_of(NAMES),
        )
    return folder


@pytest.mark.parametrize(
    ("quantization", "gap"),
    [("float32", 1e-5), ("float16", 5e-3), ("dynamic", 0.05), ("int8", 0.1)],
)
def test_answers_like_keras(files, trained, photos, quantization, gap):
    scores = tflite.load(files / f"{quantization}.tflite", threads=2)(photos)["scores"]
    expected = trained.predict(photos.astype("float32"), verbose=0)
    assert scores.dtype == np.float32
    assert np.abs(scores - expected).max() < gap
    assert np.mean(scores.argmax(1) == expected.argmax(1)) == 1.0


def test_int8_computes_in_int8_and_others_do_not(files):
    assert inspect_file(files / "int8.tflite").int8_fraction > 0.6
    for quantization in ("float32", "float16", "dynamic"):
        assert inspect_file(files / f"{quantization}.tflite").int8_fraction == 0


def test_no_file_needs_custom_ops(files):
    for quantization in tflite.QUANTIZATIONS:
        facts = inspect_file(files / f"{quantization}.tflite")
        assert facts.custom_ops == () and facts.ops["CONV_2D"] == 2


def test_dark_calibration_photos_do_not_clip_bright_ones(trained, photos, tmp_path):
    dark = (photos // 3).astype(np.uint8)
    path = tflite.write(
        trained,
        tmp_path / "m.tflite",
        quantization="int8",
        calibration=dark,
        contract=contract_of(NAMES),
    )
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    quantized = [
        d["quantization"]
        for d in interpreter.get_tensor_details()
        if d["dtype"] is np.int8 and tuple(d["shape"]) == (1, 32, 32, 3)
    ]
    # The photo itself keeps its 256 values: one step is one grey level.
    assert (1.0, -128) in quantized


def test_same_model_gives_same_bytes(files, trained, tmp_path):
    path = tflite.write(trained, tmp_path / "m.tflite", contract=contract_of(NAMES))
    assert path.read_bytes() == (files / "float32.tflite").read_bytes()


def test_weights_lie_at_multiples_of_16(files):
    from ai_edge_litert import schema_py_generated as schema

    content = (files / "float32.tflite").read_bytes()
    model = schema.Model.GetRootAs(content, 0)
    begin = np.frombuffer(content, np.uint8).ctypes.data
    buffers = [model.Buffers(i) for i in range(model.BuffersLength())]
    filled = [b.DataAsNumpy().ctypes.data - begin for b in buffers if b.DataLength()]
    assert len(filled) > 5 and all(offset % 16 == 0 for offset in filled)


def test_writing_is_silent(trained, tmp_path, capfd):
    tflite.write(trained, tmp_path / "m.tflite", contract=contract_of(NAMES))
    tflite.load(tmp_path / "m.tflite")
    captured = capfd.readouterr()
    assert captured.out == "" and captured.err == ""


# --- traps of plain conversion ---------------------------------------------------------------


def test_resizing_inside_does_not_switch_to_training_mode(resizing_model, tmp_path, photos):
    """A Resizing layer switches BatchNorm after it to training mode when a model is called."""
    model, answer = resizing_model
    moving = [w.numpy() for w in model.layers[3].non_trainable_weights]
    expected = answer(photos)
    scores = tflite.load(tflite.write(model, tmp_path / "m.tflite", contract=contract_of(NAMES)))(
        photos
    )["scores"]
    assert np.abs(scores - expected).max() < 1e-4
    after = [w.numpy() for w in model.layers[3].non_trainable_weights]
    assert all(np.array_equal(a, b) for a, b in zip(moving, after, strict=True))
    # What happens without the care: the same model, called as it is, answers something else.
    naive = np.asarray(model(photos.astype("float32")))
    assert np.abs(naive - expected).max() > 0.01 or not INNER_CALLS_TRAIN


@contextmanager
def _lost_weights(wrapped, photo_shape=(1, 32, 32, 3)):
    import tensorflow as tf

    function = tf.function(lambda photo: wrapped(photo, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec(photo_shape, tf.uint8))
    yield tf.lite.TFLiteConverter.from_concrete_functions([concrete], wrapped)


def test_file_that_lost_its_weights_is_refused(tmp_path, monkeypatch, trained):
    """`from_concrete_functions` converts Keras 3 models to files without weights."""
    monkeypatch.setattr(tflite_convert, "tflite_converter", _lost_weights)
    with pytest.raises(VerificationError, match=r"lost its weights|outside the graph"):
        tflite.write(trained, tmp_path / "m.tflite", contract=contract_of(NAMES))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (GraphFacts({"FlexErf": 2}, ("FlexErf", "FlexErf"), 10**6), "needs 2 operators.*'FlexErf'"),
        (GraphFacts({"VAR_HANDLE": 1}, (), 10**6), "state outside the graph.*'VAR_HANDLE'"),
        (GraphFacts({"CONV_2D": 1}, (), 10**6, 1, 1, 0, 0, 2), "reads 2 weights that it does not"),
        (GraphFacts({"CONV_2D": 1}, (), 100), "holds 100 bytes.*lost its weights"),
        (GraphFacts({"CONV_2D": 9}, (), 10**6, 9, 1), "Only 1 of 9 convolutions"),
    ],
)
def test_suspicious_files_are_refused(tmp_path, monkeypatch, trained, photos, facts, message):
    monkeypatch.setattr(tflite, "inspect_content", lambda content: facts)
    with pytest.raises(VerificationError, match=message):
        tflite.write(
            trained, tmp_path / "m.tflite", quantization="int8", calibration=photos[:2],
            contract=contract_of(NAMES),
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_operators_without_a_built_in_counterpart_are_named_with_their_layer(tmp_path):
    import keras
    import tensorflow as tf

    class Odd(keras.layers.Layer):
        def call(self, x):
            return tf.math.digamma(x + 1.0)

    inner_photo = keras.Input((8, 8, 3))
    inner = keras.Model(inner_photo, Odd(name="odd_one")(inner_photo), name="inner")
    photo = keras.Input((8, 8, 3))
    x = keras.ops.mean(keras.ops.erfinv(inner(photo) / 300.0), axis=(1, 2))
    model = keras.Model(photo, keras.layers.Softmax()(x))
    with pytest.raises(VerificationError, match=r"with built-in operators only") as told:
        tflite.write(model, tmp_path / "m.tflite", contract=contract_of(NAMES))
    assert list(tmp_path.iterdir()) == []
    message = str(told.value)
    assert "'Digamma' of the layer 'odd_one' has no built-in counterpart" in message
    assert "'Erfinv'" in message
    assert "loc(" not in message and "func" not in message and len(message) < 400


def test_nan_answers_are_refused(tmp_path, nan_model):
    with pytest.raises(VerificationError, match=r"answers NaN for 3 of 3 classes"):
        tflite.write(nan_model, tmp_path / "m.tflite", contract=contract_of(NAMES))
    assert list(tmp_path.iterdir()) == []


# --- wrong arguments -------------------------------------------------------------------------


def test_unknown_quantization_is_corrected(tmp_path, trained):
    with pytest.raises(ValueError, match=r"quantization 'flot16'. Did you mean 'float16'\?"):
        tflite.write(trained, tmp_path / "m", quantization="flot16", contract=contract_of(NAMES))


def test_int8_without_photos_says_what_to_pass(tmp_path, trained):
    for nothing in (None, np.empty((0, 32, 32, 3), np.uint8)):
        with pytest.raises(DataError, match=r"Pass `calibration`, uint8 .* \(n, 32, 32, 3\)"):
            tflite.write(
                trained, tmp_path / "m", quantization="int8", calibration=nothing,
                contract=contract_of(NAMES),
            )  # fmt: skip


@pytest.mark.parametrize(
    "wrong", [np.zeros((2, 32, 32, 3), "float32"), np.zeros((2, 16, 16, 3), "uint8")]
)
def test_calibration_of_wrong_kind(tmp_path, trained, wrong):
    with pytest.raises(DataError, match=r"`calibration` must be uint8"):
        tflite.write(
            trained,
            tmp_path / "m",
            quantization="int8",
            calibration=wrong,
            contract=contract_of(NAMES),
        )


def test_class_names_must_fit(tmp_path, trained):
    with pytest.raises(ValueError, match=r"one score per class.*2 class names"):
        tflite.write(trained, tmp_path / "m", contract=contract_of(NAMES[:2]))


def test_input_size_must_be_known(tmp_path):
    import keras

    photo = keras.Input((None, None, 3))
    model = keras.Model(photo, keras.layers.GlobalAveragePooling2D()(photo))
    with pytest.raises(ValueError, match=r"must take one input .* of known size"):
        tflite.write(model, tmp_path / "m", contract=contract_of(NAMES))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, 32, 32, 3), np.float32),
        np.zeros((1, 16, 32, 3), np.uint8),
        np.zeros((32, 32, 3), np.uint8),
        np.zeros((1, 32, 32), np.uint8),
        "photo.jpg",
    ],
)
def test_loaded_model_refuses_other_arrays(files, wrong):
    with pytest.raises(DataError, match=r"must be uint8 of shape \(n, 32, 32, 3\), received"):
        tflite.load(files / "float32.tflite")(wrong)


def test_empty_batch_is_fine(files):
    assert tflite.load(files / "float32.tflite")(np.zeros((0, 32, 32, 3), np.uint8))[
        "scores"
    ].shape == (0, 3)


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2"])
def test_threads_must_be_positive(files, threads):
    with pytest.raises(ValueError, match=r"`threads` must be a whole number"):
        tflite.load(files / "float32.tflite", threads=threads)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"There is no file .*gone.tflite"):
        tflite.load(tmp_path / "gone.tflite")


@pytest.mark.parametrize("size", [0, 10, 100, 5000])
def test_truncated_files_are_refused(files, tmp_path, size):
    path = tmp_path / "cut.tflite"
    path.write_bytes((files / "float32.tflite").read_bytes()[:size])
    with pytest.raises(DataError, match=r"is not a TFLite file|LiteRT cannot open"):
        tflite.load(path)


def test_other_kinds_of_models_are_refused(tmp_path):
    import keras
    import tensorflow as tf

    number = keras.Input(batch_shape=(1, 4))
    model = keras.Model(number, keras.ops.cast(keras.layers.Dense(2)(number), "int32"))
    path = tmp_path / "other.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    with pytest.raises(DataError, match=r"is not a model as this package .*float32"):
        tflite.load(path)


def test_loading_needs_no_tensorflow(files):
    code = (
        "import sys, numpy as np\n"
        "from kerasrecipes.export import get_format\n"
        "f = get_format('tflite')\n"
        f"path = {str(files / 'int8.tflite')!r}\n"
        "f.inspect(path); f.read_contract(path)\n"
        "f.load(path)(np.zeros((2, 32, 32, 3), np.uint8))\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_large_head_is_quantized_too(tmp_path):
    """With many classes the head is most of the file, so it cannot stay in float."""
    import keras
    from keras import layers

    photo = keras.Input((16, 16, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3)(photo))
    model = keras.Model(photo, layers.Dense(50, activation="softmax")(x))
    photos = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    names = [str(i) for i in range(50)]
    contract = check_model(model, contract_of(names))
    content = tflite_convert.convert(model, contract, "int8", photos)
    assert inspect_content(content).int8_fraction == 1.0
    # Behind it, nothing but the softmax stays.
    assert len(float_head(tflite_convert.convert(model, contract, "float32", None))) == 1


def test_the_first_three_layers_stay_in_float_where_they_are_small():
    """They see the photo itself; on a backbone they made more than half of int8's error."""
    import keras

    photo = keras.Input((32, 32, 3))
    x = photo
    for channels in (8, 8, 8, 128, 128, 128):
        x = keras.layers.Conv2D(channels, 3, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(photo, keras.layers.Dense(2, activation="softmax")(x))
    photos = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    contract = check_model(model, contract_of(["a", "b"]))
    exact = tflite_convert.convert(model, contract, "float32", None)
    assert len(float_beginning(exact)) >= 3
    facts = inspect_content(tflite_convert.convert(model, contract, "int8", photos))
    assert (facts.kernels, facts.int8_kernels) == (7, 3)  # the dense layer stays in float, too


def test_large_first_layers_become_int8(files):
    assert float_beginning((files / "float32.tflite").read_bytes()) == []
