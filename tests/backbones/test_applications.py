import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from kerasrecipes.backbones import get_backbone
from kerasrecipes.errors import DataError, DownloadError


def published_file(function, path, **options):
    """Write a weights file in the format in which keras.applications publishes them."""
    model = function(include_top=False, weights=None, input_shape=(64, 64, 3), **options)
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return model


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "efficientnet_b0"])
def test_a_failed_download_says_what_to_do(name, monkeypatch, tmp_path):
    monkeypatch.setattr(keras.src.backend.config, "_KERAS_DIR", str(tmp_path))
    for variable in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with pytest.raises(
        DownloadError,
        match=f"The ImageNet weights of '{name}' could not be "
        "downloaded from storage.googleapis.com: .*Check the connection; or fetch "
        "the file on another machine and pass its path as `weights`; or use "
        "'efficientnet_lite0', whose weights install with pip.",
    ) as caught:
        get_backbone(name).build(64, weights="imagenet")
    assert len(str(caught.value)) < 600 and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name, function, options",
    [
        (
            "mobilenet_v3_small",
            keras.applications.MobileNetV3Small,
            {"include_preprocessing": False},
        ),
        pytest.param(
            "convnext_tiny",
            keras.applications.ConvNeXtTiny,
            {"include_preprocessing": False},
            marks=pytest.mark.proof,
        ),
        pytest.param(
            "efficientnet_b0", keras.applications.EfficientNetB0, {}, marks=pytest.mark.proof
        ),
    ],
)
def test_published_weight_files_load_and_compute_the_same(name, function, options, tmp_path):
    reference = published_file(function, tmp_path / "notop.h5", **options)
    model = get_backbone(name).build(64, weights=tmp_path / "notop.h5")
    photos = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    scaled = np.asarray(model.get_layer("scale")(photos))
    if name == "efficientnet_b0":  # its own scaling, untrained, divides by 255 and adds nothing
        scaled = scaled * 255
    expected = np.asarray(reference(scaled, training=False))
    np.testing.assert_allclose(np.asarray(model(photos, training=False)), expected, atol=1e-4)


def test_a_published_file_of_another_network_is_refused(tmp_path):
    published_file(keras.applications.MobileNetV3Small, tmp_path / "small.h5")
    with pytest.raises(
        DataError,
        match=r"The weights in '.*small.h5' do not fit the backbone "
        "'mobilenet_v2': .*Use the 'notop' weights file",
    ):
        get_backbone("mobilenet_v2").build(64, weights=tmp_path / "small.h5")


def test_imagenet_scaling_is_the_published_one():
    layer = get_backbone("efficientnet_v2_b0").build(32, weights=None).get_layer("scale")
    white = np.asarray(layer(np.full((1, 1, 1, 3), 255.0, "float32"))).ravel()
    np.testing.assert_allclose(
        white, [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225], rtol=1e-5
    )


def test_layers_of_two_backbones_keep_their_names():
    first, second = (get_backbone("convnext_tiny").build(32, weights=None) for _ in range(2))
    names = [[layer.name for layer in model.layers if layer.weights] for model in (first, second)]
    assert names[0] == names[1]
    assert first.get_layer("top_layernorm").output.shape == first.output_shape
