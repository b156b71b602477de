import importlib
import json
import re
import shutil

import numpy as np
import pytest

from kerasrecipes.backbones import get_backbone
from kerasrecipes.errors import DataError, DownloadError, MissingDependencyError


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for variable in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")


@pytest.fixture(scope="module")
def hub():
    return pytest.importorskip("keras_hub")


@pytest.fixture(scope="module")
def cv():
    return pytest.importorskip("keras_cv")


def photos(side=64):
    return np.random.default_rng(0).uniform(0, 255, (2, side, side, 3)).astype("float32")


@pytest.fixture(scope="module")
def residual(hub, tmp_path_factory):
    """A small random ResNet, saved with the scaling that its photos need."""
    model = hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
    )
    folder = tmp_path_factory.mktemp("hub") / "residual"
    model.save_to_preset(str(folder))
    converter = hub.layers.ResNetImageConverter(
        image_size=(64, 64), scale=[0.01, 0.02, 0.03], offset=[-1.0, -2.0, -3.0]
    )
    hub.models.ResNetImageClassifierPreprocessor(image_converter=converter).save_to_preset(
        str(folder)
    )
    return model, folder


def test_a_hub_preset_is_scaled_loaded_and_divided(residual):
    import keras

    original, folder = residual
    spec = get_backbone(f"hub:{folder}")
    assert (spec.image_size, spec.feature_size, spec.weights) == ((64, 64), 64, "preset")
    model = spec.build()
    assert spec.parameter_count == model.count_params() == original.count_params()
    assert not [layer for layer in model.layers if isinstance(layer, keras.Model)]
    scaled = photos() * np.array([0.01, 0.02, 0.03], "float32") - np.array([1, 2, 3], "float32")
    expected = np.asarray(original(scaled, training=False))
    np.testing.assert_allclose(np.asarray(model(photos(), training=False)), expected, atol=1e-4)

    weighted = [layer.name for layer in model.layers if layer.weights]
    assert {spec.block_of(name) for name in weighted} == set(range(len(spec.blocks)))
    for block in range(1, len(spec.blocks) + 1):
        prefix = keras.Model(model.input, spec.boundary(model, block))
        inside = [layer.name for layer in prefix.layers if layer.weights]
        assert sorted(inside) == sorted(n for n in weighted if spec.block_of(n) < block)


def test_a_preset_that_asks_for_more_than_it_holds_is_refused(residual, tmp_path):
    import h5py

    folder = tmp_path / "absurd"
    shutil.copytree(residual[1], folder)
    config = folder / "config.json"
    text = config.read_text()
    wide = re.sub(r'("stackwise_num_filters": \[)[^]]*', r"\g<1>64, 20000", text)
    assert wide != text
    config.write_text(wide)
    with pytest.raises(DataError, match=r"absurd' is not .*: it asks for [\d,]+ weights and holds"):
        get_backbone(f"hub:{folder}")
    config.write_text(text)
    with h5py.File(folder / "model.weights.h5", "a") as file:
        file.create_dataset("more", (2**40,), "f4", chunks=(1000,))
    with pytest.raises(DataError, match="absurd' is not .*: it unpacks to 4,398,.* bytes"):
        get_backbone(f"hub:{folder}")


def test_a_hub_preset_without_weights_is_random_each_time(residual):
    spec = get_backbone(f"hub:{residual[1]}")
    first, second = (spec.build(32, weights=None).get_weights()[0] for _ in range(2))
    assert not np.allclose(first, second)
    assert not np.allclose(first, residual[0].get_weights()[0])


def test_a_hub_preset_without_a_converter_warns_once(hub, tmp_path):
    model = hub.models.VGGBackbone(stackwise_num_repeats=[1, 1], stackwise_num_filters=[4, 8])
    model.save_to_preset(str(tmp_path / "vgg"))
    with pytest.warns(
        UserWarning,
        match="'hub:.*vgg' does not say how photos are to be scaled .*values 0 to 255 as they are.",
    ) as caught:
        spec = get_backbone(f"hub:{tmp_path / 'vgg'}")
    assert len(caught) == 1
    found = np.asarray(spec.build(64)(photos()))
    np.testing.assert_allclose(found, np.asarray(model(photos())), rtol=1e-4, atol=1e-3)


def test_composite_blocks_that_squeeze_and_excite_can_be_cut(hub, tmp_path):
    two = [1.0, 1.0]
    hub.models.EfficientNetBackbone(
        stackwise_width_coefficients=two,
        stackwise_depth_coefficients=two,
        stackwise_kernel_sizes=[3, 3],
        stackwise_num_repeats=[1, 2],
        stackwise_input_filters=[32, 16],
        stackwise_output_filters=[16, 24],
        stackwise_expansion_ratios=[1, 6],
        stackwise_strides=[1, 2],
        stackwise_squeeze_and_excite_ratios=[0.25, 0.25],
        stackwise_block_types=["v1"] * 2,
    ).save_to_preset(str(tmp_path / "net"))
    with pytest.warns(UserWarning, match="does not say how photos"):
        spec = get_backbone(f"hub:{tmp_path / 'net'}")
    model = spec.build(32)
    cuts = {id(spec.boundary(model, block)) for block in range(len(spec.blocks) + 1)}
    assert len(cuts) == len(spec.blocks) + 1 > 4


def test_backbones_without_a_feature_map_are_refused(hub, tmp_path):
    vit = hub.models.ViTBackbone(
        image_shape=(32, 32, 3), patch_size=8, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=8
    )
    vit.save_to_preset(str(tmp_path / "vit"))
    with pytest.raises(
        ValueError,
        match=r"'hub:.*vit' does not give one feature map .* but 1 output"
        r"\(s\) of shape \[\(17, 8\)\], as transformers do. Choose a conv",
    ):
        get_backbone(f"hub:{tmp_path / 'vit'}")


def test_backbones_for_text_are_refused(hub, tmp_path):
    bert = hub.models.BertBackbone(
        vocabulary_size=9, num_layers=1, num_heads=1, hidden_dim=4, intermediate_dim=4
    )
    bert.save_to_preset(str(tmp_path / "bert"))
    with pytest.raises(
        ValueError,
        match="'hub:.*bert' is not an image backbone: it does not take "
        r"one RGB photo but 3 input\(s\)",
    ):
        get_backbone(f"hub:{tmp_path / 'bert'}")


@pytest.mark.parametrize(
    "name, family",
    [
        ("hub:resnet_18_imagenet", "KerasHub"),
        ("hub:hf://keras/resnet_18_imagenet", "KerasHub"),
        ("cv:resnet18", "KerasCV"),
    ],
)
def test_a_preset_that_cannot_be_fetched_says_what_to_do(
    hub, cv, name, family, monkeypatch, tmp_path
):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    kind, _, source = name.partition(":")
    with pytest.raises(
        DownloadError,
        match=f"The {family} preset '{source}' is not on this machine "
        "and could not be downloaded: .*Check the connection; or fetch the preset "
        f"on another machine and pass its folder as '{kind}:<folder>'",
    ):
        get_backbone(name)


@pytest.mark.parametrize(
    "name, message",
    [
        (
            "hub:",
            "'hub:' names no preset. Write the name of a preset or the path of a folder after",
        ),
        ("cv:", "'cv:' names no preset"),
        (
            "hub:resnet18_imagenet",
            "Unknown KerasHub preset 'resnet18_imagenet'. Did you mean "
            "'resnet_18_imagenet'. See all with keras_hub.models.Backbone.presets",
        ),
        ("cv:resnet_18", "Unknown KerasCV preset 'resnet_18'. Did you mean 'resnet18'"),
    ],
)
def test_unknown_presets_are_refused(hub, cv, name, message):
    with pytest.raises(ValueError, match=message):
        get_backbone(name)


@pytest.mark.parametrize("kind, family", [("hub", "KerasHub"), ("cv", "KerasCV")])
def test_a_folder_that_is_no_preset_is_refused(hub, cv, tmp_path, kind, family):
    for content in (None, "{}", "not json"):
        if content is not None:
            (tmp_path / "config.json").write_text(content)
        with pytest.raises(
            DataError,
            match=f"is not a usable {family} preset: .*Pass a folder that "
            "holds its config.json and model.weights.h5",
        ):
            get_backbone(f"{kind}:{tmp_path}")


@pytest.mark.parametrize("kind, module", [("hub", "keras_hub"), ("cv", "keras_cv")])
def test_a_missing_package_is_named(kind, module, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(
        MissingDependencyError,
        match=f"The backbone '{kind}:x' needs '{module}', "
        rf'which is not installed. Run: pip install "kerasrecipes\[{kind}\]"',
    ):
        get_backbone(f"{kind}:x")


@pytest.mark.parametrize("inside", [True, False])
def test_a_cv_preset_is_scaled_loaded_and_divided(cv, tmp_path, inside):
    original = cv.models.ResNetBackbone(
        stackwise_filters=[64, 64],
        stackwise_blocks=[1, 1],
        stackwise_strides=[1, 2],
        include_rescaling=inside,
        block_type="basic_block",
    )
    save = importlib.import_module("keras_cv.src.utils.preset_utils").save_to_preset
    save(original, str(tmp_path / "net"))
    spec = get_backbone(f"cv:{tmp_path / 'net'}")
    model = spec.build(64)
    expected = original(photos() if inside else photos() / 255, training=False)
    np.testing.assert_allclose(np.asarray(model(photos(), training=False)), expected, atol=1e-4)
    for block in range(len(spec.blocks) + 1):
        assert spec.boundary(model, block) is not None
    assert json.loads((tmp_path / "net" / "config.json").read_text())


def test_a_preset_of_one_size_refuses_others(hub, tmp_path):
    model = hub.models.VGGBackbone(
        stackwise_num_repeats=[1], stackwise_num_filters=[4], image_shape=(48, 48, 3)
    )
    model.save_to_preset(str(tmp_path / "vgg"))
    with pytest.warns(UserWarning, match="does not say how photos"):
        spec = get_backbone(f"hub:{tmp_path / 'vgg'}")
    assert spec.build().input_shape == (None, 48, 48, 3)
    with pytest.raises(
        ValueError,
        match=r"`image_size` of 'hub:.*' can only be 48x48, the size that "
        "its preset was made with, not 64x64",
    ):
        spec.build(64)
