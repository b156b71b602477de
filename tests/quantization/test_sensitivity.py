"""Which layers lose most by 8 bits, and a file that leaves them in float."""

import json

import keras
import numpy as np
import pytest
from keras import layers

import kerasrecipes as kr
from kerasrecipes.export import get_format
from kerasrecipes.export.tflite.tflite import finish
from kerasrecipes.optimization.quantization_aware import make_quantization_aware
from kerasrecipes.optimization.quantization_report import KEPT, QuantizationReport
from kerasrecipes.quantization.sensitivity import layer_sensitivity, layers_to_keep
from kerasrecipes.quantization.sensitivity_report import LayerSensitivity, QuantizationSensitivity
from tiny_bundle import contract_of

SIDE = 16
WILD = ("wild", "tamed")


def photos(count, seed=0):
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, 200, (count, 1, 1, 3)) + rng.normal(0, 30, (count, SIDE, SIDE, 3))
    return np.clip(colours, 0, 255).astype("uint8")


@pytest.fixture(scope="module")
def wild():
    """A model of which one feature is 300 times the others, so that 8 bits crush these."""
    keras.utils.set_random_seed(3)
    photo = keras.Input((SIDE, SIDE, 3), name="photo")
    x = layers.Rescaling(1 / 128, -1, name="scale")(photo)
    x = layers.Conv2D(16, 3, 2, activation="relu", name="stem")(x)
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(16, 1, name="wild")(x))
    x = layers.Conv2D(32, 1, activation="relu", name="tamed")(x)
    x = layers.DepthwiseConv2D(3, activation="relu", name="depthwise")(x)
    x = layers.Conv2D(64, 3, activation="relu", name="wide")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(3, name="logits")(x)
    model = keras.Model(photo, layers.Softmax(name="scores")(x), name="model")
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            layer.kernel.assign(2.5 * layer.kernel)
    kernel, bias = model.get_layer("wild").get_weights()
    model.get_layer("wild").set_weights([kernel * ([300] + [1] * 15), bias])
    kernel, bias = model.get_layer("tamed").get_weights()
    kernel[:, :, 0] /= 300
    model.get_layer("tamed").set_weights([kernel, bias])
    return model


@pytest.fixture(scope="module")
def measured(wild):
    before = [weight.copy() for weight in wild.get_weights()]
    found = layer_sensitivity(wild, photos(40))
    for old, new in zip(before, wild.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    return found


def write(model, path, **options):
    tflite, names = get_format("tflite"), ["a", "b", "c"]
    given = {
        "quantization": "int8",
        "calibration": photos(40),
        "contract": contract_of(names),
        **options,
    }
    tflite.write(model, path, **given)
    return tflite.load(path), path.read_bytes()


def test_what_crushes_its_values_is_most_sensitive(measured, wild):
    assert [layer.name for layer in measured.layers] == [
        "stem", "wild", "tamed", "depthwise", "wide", "logits",
    ]  # fmt: skip
    assert {layer.name for layer in measured.ranked[:2]} == set(WILD)
    assert measured.ranked[1].logit_error > 3 * measured.ranked[2].logit_error > 0
    # The head is measured, too, although it stays in float.
    assert [layer.name for layer in measured.layers if not layer.rounded] == ["logits"]
    assert measured.photos == 20
    kernels = {layer.name: layer.kernel.shape for layer in wild.layers if hasattr(layer, "kernel")}
    assert {one.name: one.parameters for one in measured.layers} == {
        name: np.prod(shape) for name, shape in kernels.items()
    }
    depthwise = next(one for one in measured.layers if one.name == "depthwise")
    assert depthwise.multiply_adds == 5 * 5 * 3 * 3 * 32
    json.dumps(measured.to_dict())


def test_all_at_once_is_what_the_file_loses(measured, wild, tmp_path):
    answer, _ = write(wild, tmp_path / "m.tflite")
    pixels = photos(40)[::2]
    exact = wild.predict(pixels.astype("float32"), verbose=0)
    gap = np.abs(answer(pixels)["scores"] - exact).max(axis=1).mean()
    assert measured.together.score_gap == pytest.approx(gap, rel=0.25)


def test_what_is_kept_in_float_is_so_in_the_file(measured, wild, tmp_path):
    pixels = photos(40)[::2]
    exact = wild.predict(pixels.astype("float32"), verbose=0)
    answer, content = write(wild, tmp_path / "m.tflite", keep_float=WILD)
    gap = np.abs(answer(pixels)["scores"] - exact).max(axis=1).mean()
    assert gap < measured.together.score_gap / 3
    report = QuantizationReport.of_file(content, "int8", kept=WILD)
    assert {one.name: one.weights for one in report.layers} == {
        "stem": "int8", "wild": "float32", "tamed": "float32", "depthwise": "int8",
        "wide": "int8", "logits": "float32",
    }  # fmt: skip
    assert [one.name for one in report.layers if one.reason == KEPT] == list(WILD)
    assert f"wild, tamed ({KEPT})" in str(report)
    assert not get_format("tflite").inspect(tmp_path / "m.tflite").custom_ops


@pytest.mark.proof
def test_an_allowance_chooses_the_same(measured, wild, tmp_path):
    share = 0.2  # the two hold 4 % of the weights, and do 16 % of the arithmetic
    assert set(measured.most_sensitive(share)) == set(WILD)
    assert measured.most_sensitive(0.01) == ()
    kept, found = layers_to_keep(wild, photos(40), share)
    assert kept == set(WILD) and found.layers == measured.layers
    _, by_name = write(wild, tmp_path / "name.tflite", keep_float=WILD)
    _, by_share = write(wild, tmp_path / "share.tflite", keep_float=share)
    assert by_name == by_share


def test_a_file_is_int8_if_what_may_be_is(wild, tmp_path):
    """The kept layers are most of the model, and neither why it fails nor that it does."""
    most = ["wild", "tamed", "depthwise", "wide"]
    answer, content = write(wild, tmp_path / "most.tflite", keep_float=most)
    report = QuantizationReport.of_file(content, "int8", kept=most)
    assert [one.name for one in report.layers if one.weights == "int8"] == ["stem"]
    assert not report.is_quantized
    assert str(report).startswith("int8: quantized but for `keep_float`, ")
    assert np.isfinite(answer(photos(40)[:2])["scores"]).all()
    get_format("tflite").check_content(content, wild, "int8")  # as it is saved
    with pytest.raises(ValueError, match="`keep_float` names all 5 layers that 'int8' rounds"):
        write(wild, tmp_path / "all.tflite", keep_float=["stem", *most])
    # Without a wish, few layers are as wrong as before.
    with pytest.raises(kr.VerificationError, match="Only 1 of 6 convolutions and dense layers be"):
        finish(content, wild, quantization="int8", contract=contract_of(["a", "b", "c"]))
    with pytest.raises(kr.VerificationError, match="Only 1 of 5 .* became int8, besides 1 of `kee"):
        finish(content, wild, quantization="int8", contract=contract_of(["a", "b", "c"]), kept=1)


def test_only_what_loses_more_than_others_is_worth_an_exception():
    def row(name, error, parameters=10, rounded=True):
        return LayerSensitivity(name, 0.1, error, 0, parameters, 10, rounded)

    rows = (row("a", 0.1), row("big", 3.0, 900), row("b", 2.0), row("c", 0.2), row("head", 9.0, 10,
            False))  # fmt: skip
    found = QuantizationSensitivity(rows, row("all", 4.0), 32)
    assert found.most_sensitive(0.5) == ("b",)
    assert found.most_sensitive(0.99) == ("big", "b")
    text = str(found)
    assert text.startswith("What 8 bits change on 32 photos, most sensitive first:")
    lines = text.splitlines()
    assert [line.split()[0] for line in lines[3:8]] == ["head", "big", "b", "c", "a"]
    assert lines[3].startswith("head *") and lines[-1] == "* stays in float in an int8 file"
    many = tuple(row(f"layer{i}", 1 + i) for i in range(20))
    *_, more, last = str(QuantizationSensitivity(many, row("all", 4.0), 32)).splitlines()
    assert more == "… and 8 less sensitive layers" and last.startswith("all ")


def test_a_recipe_is_quantized_with_exceptions(small_fitted, part_sets, capsys):
    train, _, test = part_sets
    found = kr.measure_sensitivity(small_fitted)
    assert {layer.name for layer in found.layers} >= {"one", "expand", "depthwise", "last"}
    (name,) = found.most_sensitive(0.9)[:1]
    small = kr.quantize(small_fitted, "int8", train=train, keep_float=[name], verbose=False)
    assert {layer.name for layer in small.report.layers if layer.reason == KEPT} == {name}
    assert small.report.sensitivity is None
    capsys.readouterr()
    tight = kr.quantize(small_fitted, "int8", train=train, keep_float=1e-6)
    told = capsys.readouterr().err
    assert "most sensitive first" in told
    assert "no sensitive layer is small enough for `keep_float`" in told
    assert not any(layer.reason == KEPT for layer in tight.report.layers)
    assert np.isfinite(small.predict(test)).all()


def test_wrong_use_is_named(wild, small_fitted, tmp_path):
    for options, message in (
        ({"keep_float": ["wile"]}, "Unknown layer 'wile'. Did you mean 'wild'"),
        ({"keep_float": ["logits"]}, "'logits', which has no 8-bit arithmetic anyway"),
        ({"keep_float": 1.5}, "`keep_float` must be a share of the weights between 0 and 1"),
        ({"keep_float": "wild"}, "or names of layers, not 'wild'"),
        ({"keep_float": []}, "or names of layers, not \\[\\]"),
        ({"keep_float": 0.1, "quantization": "float16"}, "`keep_float` has no effect on 'float16'"),
    ):
        with pytest.raises(ValueError, match=message):
            write(wild, tmp_path / "m.tflite", **options)
    aware = make_quantization_aware(wild, photos(8))
    with pytest.raises(ValueError, match="no effect on a model that was trained with rounding"):
        write(aware, tmp_path / "m.tflite", keep_float=0.1)
    with pytest.raises(ValueError, match="'model' was trained with rounding, which cannot be"):
        layer_sensitivity(aware, photos(8))
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="`keep_float` has no effect with mode='dynamic'.*'int8'"):
        kr.quantize(small_fitted, "dynamic", keep_float=0.1)
    with pytest.raises(ValueError, match="`keep_float` must be a share"):
        kr.quantize(small_fitted, "int8", keep_float=2)
    photo = keras.Input((SIDE, SIDE, 3))
    x = layers.GlobalAveragePooling2D()(layers.SeparableConv2D(4, 3)(photo))
    with pytest.raises(ValueError, match="No layer of 'tiny' can compute in 8 bits"):
        layer_sensitivity(keras.Model(photo, x, name="tiny"), photos(2))
    with pytest.raises(kr.NotFittedError):
        kr.measure_sensitivity(kr.ImageClassifier())
