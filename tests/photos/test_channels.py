"""Photos of one channel: decoded, changed and measured as those of three; and their backbones."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from kerasrecipes import (
    AUGMENTATIONS,
    BackboneSpec,
    DataError,
    DecodePolicy,
    ImageClassifier,
    UnfreezeSchedule,
    decode_photo,
    get_backbone,
)
from kerasrecipes.diagnosis.corruptions import CORRUPTIONS
from kerasrecipes.engine.cautions import warn_of_frozen_mixture
from kerasrecipes.photos.augment import augment_photo
from kerasrecipes.photos.decoding.in_graph import decode_files
from kerasrecipes.photos.measures import measure_photo
from kerasrecipes.photos.operations import OPERATIONS, mix_chains
from kerasrecipes.photos.synthetic.drawing import DRAWN

GREY = DecodePolicy(channels=1)
SIZE = (20, 28)


@pytest.fixture(scope="module")
def colours():
    return np.random.default_rng(0).integers(0, 256, (33, 47, 3), np.uint8)


@pytest.fixture(scope="module")
def grey(colours):
    return np.asarray(Image.fromarray(colours).convert("L"))[..., None]


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_decoding_is_that_of_pillow_in_grey(colours, grey):
    found = decode_photo(png(colours), SIZE, GREY)
    picture = Image.fromarray(colours).convert("L").resize(SIZE[::-1], Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(found[..., 0], np.asarray(picture))
    # A file that is grey itself is not changed.
    own = decode_photo(png(grey[..., 0]), grey.shape[:2], GREY)
    np.testing.assert_array_equal(own, grey)
    deep = png(grey[..., 0].astype(np.uint16) * 257)
    np.testing.assert_array_equal(decode_photo(deep, grey.shape[:2], GREY), grey)
    bars = replace(GREY, resize="letterbox", fill=(255, 0, 0))
    assert decode_photo(png(colours), (40, 20), bars)[0, 0] == 76


@pytest.mark.parametrize("how", ["stretch", "letterbox"])
def test_the_graph_decodes_as_the_decoder_does(colours, how):
    import tensorflow as tf

    policy = replace(GREY, resize=how)
    jpeg = io.BytesIO()
    Image.fromarray(colours).save(jpeg, "JPEG", quality=95)
    files = [png(colours), png(np.dstack([colours, colours[..., :1]])), jpeg.getvalue()]
    for size in (colours.shape[:2], SIZE):
        found = decode_files(tf.constant(files), size, policy).numpy().astype(int)
        ours = np.stack([decode_photo(one, size, policy) for one in files])
        # What is not resized is the same to the last level.
        assert np.abs(found - ours).max() <= (size == SIZE)


def test_a_policy_says_it_and_old_ones_are_rgb():
    assert DecodePolicy.from_dict(GREY.to_dict()) == GREY
    assert "channels" not in DecodePolicy().to_dict()
    for wrong in (17, 0, True, "1"):
        with pytest.raises(ValueError, match="`channels` must be 3, for RGB, 1, for grey"):
            DecodePolicy(channels=wrong)


@pytest.mark.parametrize("name", sorted({*AUGMENTATIONS} - {"none"}))
def test_views_of_grey_photos_are_grey(name, grey):
    views = [augment_photo(grey, np.random.default_rng(i), AUGMENTATIONS[name]) for i in range(8)]
    assert {view.shape for view in views} == {grey.shape}
    assert any(np.abs(view - grey).max() > 1 for view in views)


def test_no_operation_is_drawn_that_changes_colours_alone(grey, monkeypatch):
    def refused(photo, level):
        raise AssertionError("a grey photo has no colours")

    monkeypatch.setitem(OPERATIONS, "colour", refused)
    for seed in range(30):
        assert mix_chains(grey, np.random.default_rng(seed), 3, 0.5).shape == grey.shape


def test_own_views_are_tried_on_photos_of_their_channels(part_sets, small_recipe):
    from keras import layers

    train, val = (replace(side, policy=GREY) for side in part_sets[:2])
    recipe = small_recipe(augment=[layers.RandomHue(0.5, (0, 255))])
    with pytest.raises(ValueError, match="'RandomHue'"):
        recipe.fit(train, val)

    def of_grey(photo, seed):
        (height, width, _), noise = photo.shape, np.random.default_rng(seed)
        return np.clip(photo + noise.normal(0, 9, (height, width, 1)), 0, 255)[..., :1]

    with pytest.raises(ValueError, match=r"makes the shape \(24, 24, 1\) of \(24, 24, 3\)"):
        small_recipe(augment=of_grey).prepared(part_sets[0], get_backbone("mobilenet_v2"))


def test_measures_and_corruptions(colours, grey):
    of_grey, of_rgb = measure_photo(grey), measure_photo(grey.repeat(3, axis=-1))
    assert of_grey.keys() == of_rgb.keys() - {"colourfulness", "warmth"}
    assert all(of_grey[name] == pytest.approx(of_rgb[name], abs=1e-3) for name in of_grey)
    for name, corruption in CORRUPTIONS.items():
        found = corruption.apply(grey, corruption.strengths[-1], 0)
        assert found.shape == grey.shape and found.dtype == np.uint8, name
        assert (found != grey).any(), name


def own_scaled():
    """A backbone with a mean and a deviation for each colour before its first kernels."""
    import keras
    from keras import layers

    photo = keras.Input((24, 24, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(photo)
    x = layers.Conv2D(8, 3, activation="relu")(x)
    model = keras.Model(photo, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    return BackboneSpec.from_model(model, scaling="imagenet")


LARGE = ["efficientnet_lite0", "resnet50_v2"]


@pytest.mark.parametrize("name", [None, *(pytest.param(n, marks=pytest.mark.proof) for n in LARGE)])
def test_a_backbone_sees_in_a_grey_photo_what_it_sees_in_it_as_rgb(name, part_sets):
    import keras

    train = replace(part_sets[0], policy=GREY)
    spec = get_backbone(name) if name else own_scaled()
    weights = None if name else "default"
    keras.utils.set_random_seed(0)
    usual = spec.build(spec.min_image_size, weights)
    keras.utils.set_random_seed(0)
    suited = spec.suited(train)
    grey = suited.build(spec.min_image_size, weights)
    assert grey.input_shape[-1] == 1 and spec.suited(part_sets[0]) is spec
    assert "as if its first kernels were summed" in suited.reads_otherwise
    photo = np.random.default_rng(0).integers(0, 256, (1, *grey.input_shape[1:3], 1))
    one, other = grey.predict(photo), usual.predict(photo.repeat(3, axis=-1))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("channels", [2, 4, 7])
def test_channels_are_mixed_as_if_kernels_were_copied(channels, part_sets):
    import keras

    train, spec = replace(part_sets[0], policy=DecodePolicy(channels=channels)), own_scaled()
    keras.utils.set_random_seed(0)
    usual = spec.build()
    keras.utils.set_random_seed(0)
    mixing = spec.suited(train)
    built = mixing.build()
    assert mixing.block_of("channels_as_rgb") == 0 and mixing.boundary(built, 1) is not None
    photo = np.random.default_rng(0).uniform(0, 255, (1, 24, 24, channels)).astype(np.float32)
    taken = [[i for i in range(channels) if i % 3 == colour] for colour in range(3)]
    rgb = [photo[..., some or range(channels)].mean(axis=-1) for some in taken]
    np.testing.assert_allclose(built.predict(photo), usual.predict(np.stack(rgb, -1)), atol=1e-4)


def test_a_mixture_that_never_learns_is_told(part_sets):
    spec = own_scaled().suited(replace(part_sets[0], policy=DecodePolicy(channels=4)))
    recipe = ImageClassifier(spec, image_size=(24, 24))
    (told,) = warn_of_frozen_mixture(spec, recipe, UnfreezeSchedule.head_only())
    assert "channels are mixed never learns" in told
    assert not warn_of_frozen_mixture(spec, recipe, UnfreezeSchedule.full())
    assert not warn_of_frozen_mixture(own_scaled(), recipe, UnfreezeSchedule.head_only())


def test_a_model_of_grey_photos_is_a_backbone_for_these_alone(part_sets):
    import keras
    from keras import layers

    photo = keras.Input((24, 24, 1))
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(photo)
    x = layers.Conv2D(8, 3, activation="relu")(x)
    model = keras.Model(photo, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    spec = BackboneSpec.from_model(model, scaling="0..1")
    assert spec.build().input_shape == (None, 24, 24, 1)
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 24, 24, 1)).astype(np.float32)
    features = keras.Model(photo, x).predict(pixels / 255)
    np.testing.assert_allclose(spec.build().predict(pixels), features, atol=1e-5)
    assert spec.suited(replace(part_sets[0], policy=GREY)) == spec
    recipe = ImageClassifier(spec, image_size=(24, 24), start="head")
    with pytest.raises(DataError, match="reads photos of 1 channel.* 3. Scan .* channels=1"):
        recipe.fit(*part_sets[:2], verbose=False)
    with pytest.raises(ValueError, match="'imagenet' has a mean for each of three colours"):
        BackboneSpec.from_model(model, scaling="imagenet")


@pytest.mark.parametrize("kind", sorted(DRAWN))
def test_defects_are_drawn_into_grey_photos(kind, grey):
    found = DRAWN[kind](grey, np.random.default_rng(0))
    assert found.shape == grey.shape and (found != grey).any()
