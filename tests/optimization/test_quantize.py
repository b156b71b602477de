"""From a fitted recipe to a small file, and what is said of it."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.data.seen import on_side
from kerasrecipes.export import get_format
from kerasrecipes.optimization.quantization_report import (
    BY_MODE,
    FIRST_LAYERS,
    HEAD,
    KEPT,
    LayerPrecision,
    QuantizationReport,
)
from kerasrecipes.optimization.tfmot import training as tfmot_training
from kerasrecipes.photos.modality import policy_of
from kerasrecipes.quantization.batch_norm_folding import fold_batch_norm
from kerasrecipes.quantization.plan import plan_quantization
from kerasrecipes.settings.setting import settings_without_effect
from kerasrecipes.training.refitting import refitted
from tiny_bundle import contract_of


@pytest.fixture(scope="module")
def int8(fitted):
    return kr.quantize(fitted, "int8", verbose=False)


@pytest.fixture(scope="module")
def small_int8(small_measured):
    return kr.quantize(small_measured, "int8", verbose=False)


def test_int8_computes_in_8_bits_and_says_what_does_not(int8, fitted, part_sets):
    report = int8.report
    assert report.is_quantized
    assert report.parameter_fractions()["int8"] > 0.9
    assert report.work_fractions()["int8"] > 0.5
    reasons = {layer.name: layer.reason for layer in report.layers if layer.reason}
    assert reasons == {
        "stem_conv": FIRST_LAYERS,
        "block01_depthwise_conv": FIRST_LAYERS,
        "block01_project_conv": FIRST_LAYERS,
        "logits": HEAD,
    }
    assert {layer.name for layer in report.layers} >= {"block16_project_conv", "top_conv"}
    assert report.size_bytes == len(int8.content) < 5e6
    json.dumps(report.to_dict())
    text = str(report)
    assert text.startswith("int8: quantized, ")
    assert "block01_project_conv (first layers" in text


def test_training_with_rounding_rounds_what_the_file_does(int8, small_int8):
    # One model has a small beginning, both have a small head.
    for quantized, left in ((int8, 4), (small_int8, 1)):
        planned = plan_quantization(fold_batch_norm(quantized.recipe.model_)).quantized
        layers = quantized.report.layers
        assert {layer.name for layer in layers if layer.arithmetic == "int8"} == planned
        assert len(planned) == len(layers) - left


def test_the_file_predicts_and_evaluates_as_the_model(int8, fitted, part_sets):
    test = part_sets[2]
    scores = int8.predict(test)
    exact = fitted.predict(test)
    assert scores.shape == exact.shape
    assert (scores.argmax(axis=1) == exact.argmax(axis=1)).mean() >= 0.9
    evaluation = int8.evaluate(test)
    expected = np.mean(scores.argmax(axis=1) == test.labels)
    assert evaluation.accuracy.value == pytest.approx(expected)


def test_exactly_this_file_is_saved_and_verified(small_int8, tmp_path):
    bundle = small_int8.save(tmp_path / "parts")
    record = bundle.exports()["tflite-int8"]
    assert record.path.read_bytes() == small_int8.content
    assert kr.verify_bundle(bundle.folder)[0].passed


def test_a_file_that_is_another_model_is_not_added(small_int8, small_saved):
    with pytest.raises(kr.VerificationError, match="'tflite-float16' was not added"):
        small_saved.export("tflite", "float16", content=upside_down(small_int8))
    assert "tflite-float16" not in small_saved.exports()


def upside_down(quantized) -> bytes:
    """A file of another model: the classes' weights change places."""
    model = quantized.recipe.model_
    layer = model.get_layer("logits")
    weights = layer.get_weights()
    import tempfile
    from pathlib import Path

    layer.set_weights([np.roll(weight, 1, axis=-1) for weight in weights])
    try:
        with tempfile.TemporaryDirectory() as folder:
            names = list(quantized.recipe.labels_)
            path = Path(folder) / "m.tflite"
            get_format("tflite").write(
                model, path, quantization="float16", contract=contract_of(names)
            )
            return path.read_bytes()
    finally:
        layer.set_weights(weights)


@pytest.mark.parametrize(
    ("mode", "weights", "quantized"), [("float16", "float16", False), ("int4", "int4", True)]
)
def test_modes_that_round_weights_alone(small_fitted, part_sets, mode, weights, quantized):
    if mode == "int4":
        pytest.importorskip("litert_quantizer")
    small = kr.quantize(small_fitted, mode, verbose=False)
    assert next(iter(small.report.parameter_fractions())) == weights
    assert small.report.is_quantized is quantized
    state = "float16: weights in 16 bits" if mode == "float16" else f"{mode}: quantized"
    assert str(small.report).startswith(f"{state}, ")
    assert set(small.report.work_fractions()) == {"float32"}
    assert np.isfinite(small.predict(part_sets[2])).all()
    if mode == "int4":
        assert len(small.content) < 0.6 * 4 * small_fitted.model_.count_params()


@pytest.mark.proof
def test_single_layers_can_keep_more_bits_than_four(fitted):
    pytest.importorskip("litert_quantizer")
    plain = kr.quantize(fitted, "int4", verbose=False)
    before = {layer.name: layer.weights for layer in plain.report.layers}
    first, second = [name for name, weights in before.items() if weights == "int4"][:2]
    eight = next(name for name, weights in before.items() if weights == "int8")
    in_float = next(name for name, weights in before.items() if weights == "float32")
    mixed = kr.quantize(
        fitted, "int4", keep_int8=[first], keep_float=[second, eight], verbose=False
    )
    after = {layer.name: layer.weights for layer in mixed.report.layers}
    changed = {first: "int8", second: "float32", eight: "float32"}
    assert after == before | changed
    assert "as `keep_float` asks" in str(mixed.report)
    assert len(mixed.content) > len(plain.content)
    for arguments, message in (
        ({"keep_int8": [eight]}, f"`keep_int8` would have no effect on '{eight}'"),
        ({"keep_float": [in_float]}, f"`keep_float` would have no effect on '{in_float}'"),
        ({"keep_int8": [first], "keep_float": [first]}, "or which is named twice"),
        ({"keep_int8": ["blok"]}, "Unknown layer 'blok'"),
        ({"keep_float": 0.05}, "`keep_float` must be names of layers, not 0.05"),
    ):
        with pytest.raises(ValueError, match=message):
            kr.quantize(fitted, "int4", verbose=False, **arguments)
    with pytest.raises(ValueError, match="`keep_int8` has no effect with mode='int8'"):
        kr.quantize(fitted, "int8", keep_int8=[first], verbose=False)


@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_a_file_may_stay_in_float_where_it_is_asked_to(small_fitted, part_sets, tmp_path, mode):
    if mode == "int4":
        pytest.importorskip("litert_quantizer")
    plain = kr.quantize(small_fitted, mode, verbose=False)
    rounded = [layer for layer in plain.report.layers if layer.weights == mode]
    *most, _ = [one.name for one in sorted(rounded, key=lambda one: -one.parameters)]
    small = kr.quantize(small_fitted, mode, keep_float=most, verbose=False)
    assert {layer.name for layer in small.report.layers if layer.reason == KEPT} == set(most)
    assert str(small).startswith(f"{mode}: quantized but for `keep_float`, ")
    assert small.save(tmp_path / "kept").exports()[f"tflite-{mode}"].path.is_file()
    everything = [one.name for one in rounded]
    with pytest.raises(ValueError, match=f"`keep_float` .*name.? all {len(rounded)} layers"):
        kr.quantize(small_fitted, mode, keep_float=everything, verbose=False)


def test_int4_without_the_extra_says_what_to_install(small_fitted, monkeypatch):
    monkeypatch.setitem(sys.modules, "litert_quantizer", None)
    with pytest.raises(kr.MissingDependencyError, match=r'pip install "kerasrecipes\[quantizer\]"'):
        kr.quantize(small_fitted, "int4", verbose=False)


def test_training_with_rounding_gives_a_recipe_and_its_file(
    small_fitted, part_sets, tmp_path, capsys
):
    train, val, test = part_sets
    small = kr.quantize(small_fitted, "qat", train=train, val=val, epochs=1)
    assert small.quantization == "int8"
    assert small.recipe is not small_fitted
    assert small.report.parameter_fractions()["int8"] > 0.9
    assert small.recipe.report_.optimization[-1]["name"] == "quantize"
    simulated = small.recipe.predict(test)
    assert (small.predict(test).argmax(axis=1) == simulated.argmax(axis=1)).mean() >= 0.9
    told = capsys.readouterr().err
    assert f"Training with the rounding of 8 bits on {len(train)} photos." in told
    assert "qat: quantized" in told
    bundle = small.save(tmp_path / "parts")
    assert bundle.exports()["tflite-int8"].path.read_bytes() == small.content
    with pytest.raises(ValueError, match="was trained with rounding already. Pass mode='int8'"):
        kr.quantize(small.recipe, "qat", verbose=False)
    # The saved model needs no calibration: it exports by its own ranges, to the same file.
    again = bundle.export("tflite", "int8", overwrite=True)
    assert again.size_bytes == pytest.approx(len(small.content), rel=0.01)


@pytest.mark.proof
def test_tfmot_gives_a_file_that_passes_verification(small_fitted, part_sets, tmp_path):
    train, val, test = part_sets
    small = kr.quantize(small_fitted, "qat", train=train, val=val, epochs=2, engine="tfmot")
    assert small.recipe is small_fitted
    assert small.report.parameter_fractions()["int8"] > 0.9
    agreement = small.predict(test).argmax(axis=1) == small_fitted.predict(test).argmax(axis=1)
    assert agreement.mean() >= 0.9
    bundle = small.save(tmp_path / "parts")
    path = bundle.exports()["tflite-int8"].path
    assert path.read_bytes() == small.content
    contract = get_format("tflite").read_contract(path)
    assert tuple(contract.output.class_names) == tuple(small_fitted.labels_)
    assert contract.input.preparation == small_fitted.fitted_.input.preparation
    assert contract.description.endswith(", quantized as qat")
    # The recipe stays as it was, so the file remembers by itself what it was chosen by.
    assert small.calibrated == {**on_side(train, "calibration"), **on_side(val, "val")}


def test_settings_that_tfmot_does_not_follow_are_told(small_fitted, part_sets, monkeypatch, capsys):
    class Began(Exception):
        """The training began."""

    def begin(*_, **__):
        raise Began

    monkeypatch.setattr(tfmot_training, "train_for_int8", begin)
    asked = {"mix": "mixup", "class_weights": "balanced", "views": 9, "patience": 3, "ema": False}
    given = small_fitted.with_fitted(small_fitted.fitted_, **asked)
    with pytest.raises(Began):
        kr.quantize(given, "qat", engine="tfmot")
    (told,) = [line for line in capsys.readouterr().err.splitlines() if "do not apply" in line]
    for part in (
        "`mix='mixup'` (teachers are asked about single photos)", "`patience=3` (all epochs run)",
        "`class_weights='balanced'` (all classes count alike)", "`views=9` (each epoch shows",
        "`batch_norm='train'` (statistics are held still)",
    ):  # fmt: skip
        assert part in told
    # Not those that ask for nothing, and not the augmentation, which TFMOT's training has, too.
    assert "ema" not in told and "augment" not in told
    assert settings_without_effect(kr.ImageClassifier(), teachers=True, tfmot=True) == {}


def test_only_a_file_of_few_bits_is_called_quantized():
    layers = [LayerPrecision("big", "float32", "float32", 9977, 9977, BY_MODE)]
    layers += [LayerPrecision("small", "int8", "int8", 23, 23)]
    report = QuantizationReport("int8", tuple(layers), 10**6)
    assert not report.is_quantized
    assert report.parameter_fractions() == {"float32": 0.9977, "int8": 0.0023}
    assert "NOT quantized" in str(report)
    assert "0.23% int8" in str(report)


@pytest.mark.parametrize(
    ("mode", "arguments", "message"),
    [
        ("int9", {}, "Unknown mode 'int9'. Did you mean 'int8'?"),
        ("qat", {"engine": "nativ"}, "Unknown engine 'nativ'. Did you mean 'native'?"),
        ("int8", {"epochs": 3}, "`epochs` has no effect with mode='int8'.*mode='qat'"),
        ("int8", {"scheme": "pqat"}, "`scheme` has no effect with mode='int8'.*mode='qat'"),
        ("qat", {"sparsity": 0.5}, "`sparsity` has no effect with engine='native'.*'tfmot'"),
        ("qat", {"engine": "tfmot", "scheme": "pqa"}, "Unknown scheme 'pqa'. Did you mean 'pqat'"),
        ("qat", {"engine": "tfmot", "sparsity": 0.5}, "no effect with scheme='qat'"),
        ("int8", {"val": 1}, "`val` has no effect with mode='int8'"),
        ("int8", {"engine": "native"}, "`engine` has no effect with mode='int8'"),
        ("qat", {"epochs": 0}, "`epochs` must be a whole number from 1 on, not 0"),
        ("qat", {"learning_rate": 0.0}, "`learning_rate` must be above 0 and below 10, not 0.0"),
        ("qat", {"learning_rate": "x"}, "`learning_rate` must be above 0 and below 10, not 'x'"),
        ("qat", {"engine": "tfmot", "scheme": "pqat", "sparsity": "x"}, "`sparsity` must .* 'x'"),
        ("float16", {"train": 1}, "`train` has no effect.*mode='int8'"),
    ],
)
def test_wrong_arguments_are_refused_before_any_work(small_fitted, mode, arguments, message):
    with pytest.raises(ValueError, match=message):
        kr.quantize(small_fitted, mode, **arguments)


def test_photos_of_the_test_are_refused(small_measured, part_sets):
    train, _, test = part_sets
    with pytest.raises(kr.DataError, match="12 of 12 photos in `train`.*split 'test'"):
        kr.quantize(small_measured, "int8", train=test)
    with pytest.raises(kr.DataError, match="photos in `val` are those of the split 'test'"):
        kr.quantize(small_measured, "qat", train=train, val=test)


def test_what_are_no_photos_is_named(small_fitted, part_sets):
    for photos, told in (("photos", "not 'photos'"), (part_sets[0].select([]), "at least one")):
        with pytest.raises(kr.DataError, match=f"`train` must be training photos .*{told}"):
            kr.quantize(small_fitted, "int8", train=photos, verbose=False)
    with pytest.raises(kr.DataError, match="`val` must be validation photos of the fit"):
        kr.quantize(small_fitted, "qat", val="photos", verbose=False)
    with pytest.raises(kr.DataError, match="`train` must be training photos"):
        kr.measure_sensitivity(small_fitted, 3)


def test_a_loaded_recipe_needs_photos(small_saved):
    loaded = kr.ImageClassifier.load(small_saved.folder)
    with pytest.raises(kr.DataError, match="was loaded.*Pass `train`, the training photos"):
        kr.quantize(loaded, "int8")
    with pytest.raises(kr.NotFittedError):
        kr.quantize(kr.ImageClassifier(), "int8")


@pytest.fixture(scope="module")
def twelve_bits(small_fitted, part_sets):
    """A recipe whose photos come from a camera of 12 bits, and the policy that says so."""
    policy = kr.DecodePolicy(max_16bit=4095)
    train, val, _ = (replace(side, policy=policy) for side in part_sets)
    return refitted(small_fitted, small_fitted.model_, train, val), policy


def test_a_file_from_a_loaded_recipe_decodes_as_the_model(twelve_bits, tmp_path):
    recipe, policy = twelve_bits
    folder = recipe.save(tmp_path / "model").folder
    small = kr.quantize(kr.ImageClassifier.load(folder), "float16", verbose=False)
    (tmp_path / "alone.tflite").write_bytes(small.content)
    assert policy_of(kr.Predictor(tmp_path / "alone.tflite").input) == policy
    contract = get_format("tflite").read_contract(tmp_path / "alone.tflite")
    assert contract.description == "model, quantized as float16"


def test_a_file_that_decodes_differently_is_not_added(twelve_bits, tmp_path):
    recipe, _ = twelve_bits
    bundle = recipe.save(tmp_path / "model")
    path = tmp_path / "other.tflite"
    get_format("tflite").write(recipe.model_, path, contract=contract_of(list(recipe.labels_)))
    with pytest.raises(kr.DataError, match="decoded by DecodePolicy.*max_16bit=4095"):
        bundle.export("tflite", content=path.read_bytes())
    assert not bundle.exports()


def test_on_another_backend_nothing_is_trained_in_vain(small_fitted, part_sets, monkeypatch):
    train, val, _ = part_sets
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    for action, name in (
        (lambda: kr.quantize(small_fitted, "qat"), "`quantize`"),
        (lambda: kr.cluster(small_fitted, train, val), "`cluster`"),
        (lambda: kr.prune(small_fitted, train, val, sparsity=0.5), "`prune` to zeros"),
    ):
        told = f"{name} converts a graph of TensorFlow, and Keras runs on jax here.*KERAS_BACKEND"
        with pytest.raises(ValueError, match=told):
            action()
