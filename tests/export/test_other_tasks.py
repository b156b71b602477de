"""Files whose answer is no class: a number, or several outputs, by name in every format."""

import json

import numpy as np
import pytest

import tiny_bundle as tiny
from kerasrecipes.bundles.contract import Contract
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.export import get_format, list_formats
from kerasrecipes.export.tflite.metadata import read_metadata
from kerasrecipes.serve import Predictor

FORMATS = list_formats()
BRIGHTNESS = OutputSpec(name="brightness", task="regression", unit="grey levels")
SCORES = OutputSpec(name="scores", task="classification", class_names=("a", "b", "c"))


def contract(*outputs):
    return tiny.contract_of().model_copy(update={"outputs": outputs})


@pytest.fixture(scope="module")
def photos():
    return tiny.colour_photos(5, seed=5)[0]


@pytest.fixture(scope="module")
def brightness_model():
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    photo = keras.Input((32, 32, 3))
    x = layers.Conv2D(4, 3)(layers.Rescaling(1 / 255)(photo))
    x = layers.Dense(1, name="standard")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(photo, layers.Rescaling(255.0, 3.0, name="brightness")(x))


@pytest.mark.parametrize("name", FORMATS)
def test_a_number_comes_out_under_its_name(brightness_model, photos, tmp_path, name):
    chosen = get_format(name)
    path = tmp_path / f"m{chosen.suffix}"
    told = contract(BRIGHTNESS)
    chosen.write(brightness_model, path, contract=told)
    loaded = chosen.load(path)
    assert loaded.outputs == {"brightness": 1}
    expected = brightness_model.predict(photos.astype("float32"), verbose=0)
    np.testing.assert_allclose(loaded(photos)["brightness"], expected, rtol=1e-4)
    found = chosen.read_contract(path)
    assert found.outputs == (BRIGHTNESS,) and found.input.shape == (32, 32, 3)


@pytest.mark.parametrize("name", FORMATS)
def test_several_outputs_keep_their_names(photos, tmp_path, name):
    import keras
    from keras import layers

    photo = keras.Input((32, 32, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(photo))
    scores = layers.Dense(3, activation="softmax", name="scores")(x)
    model = keras.Model(photo, [scores, layers.Dense(1, name="brightness")(x)])
    chosen = get_format(name)
    path = tmp_path / f"m{chosen.suffix}"
    chosen.write(model, path, contract=contract(BRIGHTNESS, SCORES))
    loaded = chosen.load(path)
    assert loaded.outputs == {"scores": 3, "brightness": 1}
    expected = model.predict(photos.astype("float32"), verbose=0)
    found = loaded(photos)
    np.testing.assert_allclose(found["scores"], expected[0], atol=1e-4)
    np.testing.assert_allclose(found["brightness"], expected[1], rtol=1e-3)
    assert chosen.read_contract(path).outputs == (BRIGHTNESS, SCORES)


def body(photo):
    from keras import layers

    x = layers.Rescaling(1 / 127.5, -1)(photo)
    for _ in range(4):
        x = layers.Conv2D(32, 3, activation="relu")(x)
    return x


def int8_kernels(model, path, told, photos):
    """Write a file in 8 bits; return its kernels in all and in 8 bits, and the opened file."""
    chosen = get_format("tflite")
    chosen.write(model, path, contract=told, quantization="int8", calibration=photos)
    facts = chosen.inspect(path)
    return facts.kernels, facts.int8_kernels, chosen.load(path)


def test_heads_of_all_outputs_stay_in_float_in_8_bits(photos, tmp_path):
    import keras
    from keras import layers

    photo = keras.Input((32, 32, 3))
    x = layers.GlobalAveragePooling2D()(body(photo))
    scores = layers.Dense(3, activation="softmax", name="scores")(x)
    model = keras.Model(photo, [scores, layers.Dense(1, name="brightness")(x)])
    for outputs in ((BRIGHTNESS, SCORES), (SCORES, BRIGHTNESS)):
        found = int8_kernels(model, tmp_path / "m.tflite", contract(*outputs), photos)
        assert found[:2] == (6, 4)


@pytest.mark.parametrize(
    ("name", "norm", "kernels", "gap"),
    [("ordinal", None, 2, 0.004), ("multi_label", "layer", 1, 0.03), ("margin", "group", 1, 0.06)],
)
def test_heads_with_more_than_one_layer_stay_in_float_in_8_bits(
    photos, tmp_path, name, norm, kernels, gap
):
    import keras

    from kerasrecipes.heads import make_head

    keras.utils.set_random_seed(0)
    head, photo = make_head(name, norm=norm), keras.Input((32, 32, 3))
    model = keras.Model(photo, head.build(body(photo), 3, seed=0))
    told = contract(SCORES.model_copy(update={"task": head.task.name}))
    *found, loaded = int8_kernels(model, tmp_path / "m.tflite", told, photos)
    # All but the large projection of the margin head, which has 6 % of the weights here.
    assert found == [4 + kernels + (name == "margin"), 4 + (name == "margin")]
    expected = model.predict(photos.astype("float32"), verbose=0)
    assert np.abs(loaded(photos)["scores"] - expected).max() < gap


def test_a_model_that_lacks_an_output_is_refused(brightness_model, tmp_path):
    with pytest.raises(ValueError, match="has no output 'scores'; it has 'brightness'"):
        get_format("tflite").write(
            brightness_model, tmp_path / "m", contract=contract(BRIGHTNESS, SCORES)
        )
    with pytest.raises(ValueError, match=r"one number, of shape \(None, 1\), as 'brightness'"):
        get_format("tflite").write(
            tiny.untrained_model(), tmp_path / "m", contract=contract(BRIGHTNESS)
        )


def test_metadata_tell_other_readers_of_a_number(brightness_model, tmp_path):
    path = get_format("tflite").write(
        brightness_model, tmp_path / "m.tflite", contract=contract(BRIGHTNESS)
    )
    assert read_metadata(path).contract == Contract.from_json(
        json.dumps(read_metadata(path).contract.to_dict()), path
    )
    assert b"a number, in grey levels" in path.read_bytes()
    assert b"labels.txt" not in path.read_bytes()


def test_a_number_is_predicted_with_its_unit(brightness_model, photos, tmp_path):
    path = get_format("tflite").write(
        brightness_model, tmp_path / "m.tflite", contract=contract(BRIGHTNESS)
    )
    (found,) = Predictor(path).predict(tiny.png(photos[0]))
    expected = brightness_model.predict(photos[:1].astype("float32"), verbose=0)[0, 0]
    assert found.number == pytest.approx(expected, rel=1e-4) and found.unit == "grey levels"
    assert set(found.to_dict()) == {"path", "number", "unit", "error"}
    assert found.said.endswith("grey levels")
