"""Photos of any shape in the size of a model: stretched, between bars, or their middle alone."""

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import Phase, given, settings, strategies as st
from PIL import Image

from kerasrecipes import (
    DataError,
    DecodePolicy,
    ImageClassifier,
    NoEffectError,
    decode_photo,
    scan_photos,
)
from kerasrecipes.data.specs import ModelInput
from kerasrecipes.photos.decoding.fit import FITS, cut_and_spread
from kerasrecipes.photos.decoding.in_graph import decode_files
from kerasrecipes.photos.decoding.masks import read_mask

SIZE = (20, 28)
FILL = (255, 0, 40)
SIDES = st.integers(8, 90)


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def policy(how: str) -> DecodePolicy:
    return DecodePolicy(resize=how, **({"fill": FILL} if how == "letterbox" else {}))


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    own=st.tuples(st.integers(1, 10**5), st.integers(1, 10**5)),
    size=st.tuples(st.integers(1, 512), st.integers(1, 512)),
    how=st.sampled_from(FITS),
)
def test_shapes_are_kept_to_a_pixel(own, size, how):
    cut, spread = cut_and_spread(how, own, size)
    assert all(1 <= a <= b for a, b in zip((*cut, *spread), (*own, *size), strict=True))
    if how == "stretch":
        assert (cut, spread) == (own, size)
    elif how == "letterbox":
        assert cut == own and (spread[0] == size[0] or spread[1] == size[1])
        scale = min(size[0] / own[0], size[1] / own[1])
        assert all(abs(b - max(1, a * scale)) <= 0.5 for a, b in zip(own, spread, strict=True))
    else:
        assert spread == size and (cut[0] == own[0] or cut[1] == own[1])
        scale = min(own[0] / size[0], own[1] / size[1])
        assert all(abs(b - max(1, a * scale)) <= 0.5 for a, b in zip(size, cut, strict=True))


@pytest.mark.parametrize("how", FITS[1:])
def test_the_graph_fits_photos_as_the_decoder_does(how):
    import tensorflow as tf

    graph = tf.function(lambda files: decode_files(files, SIZE, policy(how)))

    # A smaller photo that differs is not worth its seconds.
    @settings(
        max_examples=12, deadline=None, derandomize=True, database=None, phases=[Phase.generate]
    )
    @given(height=SIDES, width=SIDES, seed=st.integers(0, 99))
    def agrees(height, width, seed):
        drawn = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
        ours = decode_photo(png(drawn), SIZE, policy(how)).astype(int)
        theirs = graph(tf.constant([png(drawn)]))[0].numpy().astype(int)
        assert np.abs(ours - theirs).max() <= 1

    agrees()


def test_bars_have_the_colour_that_is_said_and_a_crop_is_the_middle():
    photo = np.zeros((10, 40, 3), np.uint8)
    photo[:, 15:25] = 200
    boxed = decode_photo(png(photo), (40, 40), policy("letterbox"))
    assert (boxed[:15] == FILL).all() and (boxed[25:] == FILL).all()
    np.testing.assert_array_equal(boxed[15:25], photo)
    cropped = decode_photo(png(photo), (10, 10), policy("center_crop"))
    np.testing.assert_array_equal(cropped, photo[:, 15:25])


def test_a_mask_is_fitted_as_its_photo(tmp_path):
    mask = np.zeros((10, 40), np.uint8)
    mask[:, :10] = 255
    (tmp_path / "mask.png").write_bytes(png(mask))
    facts = SimpleNamespace(width=40, height=10)
    photo = SimpleNamespace(mask=tmp_path / "mask.png", facts=facts)
    found = {how: read_mask(photo, (40, 40), policy(how)) for how in FITS}
    assert found["stretch"].shape == (10, 40) and found["stretch"].sum() == 100
    assert found["letterbox"].shape == (40, 40) and found["letterbox"].sum() == 100
    assert not found["center_crop"].any()


def test_a_policy_says_it_and_old_ones_stretch():
    assert "fill" not in DecodePolicy().to_dict()
    told = policy("letterbox").to_dict()
    assert told["fill"] == list(FILL) and DecodePolicy.from_dict(told) == policy("letterbox")
    old = {"background": [255, 255, 255], "max_16bit": 65535, "resize": "stretch"}
    assert DecodePolicy.from_dict(old) == DecodePolicy()
    with pytest.raises(ValueError, match="Unknown resize 'leterbox'. Did you mean 'letterbox'"):
        DecodePolicy(resize="leterbox")
    with pytest.raises(NoEffectError, match="`fill` would have no effect with resize='stretch'"):
        DecodePolicy(fill=(0, 0, 0))
    with pytest.raises(ValueError, match="`fill` must be three integers 0 to 255"):
        DecodePolicy(resize="letterbox", fill=(0, 0, 256))


def test_sides_that_are_fitted_otherwise_are_refused_before_training(part_sets):
    train, val = part_sets[:2]
    boxed = [replace(val, policy=policy("letterbox")), replace(train, policy=policy("letterbox"))]
    with pytest.raises(DataError, match="`train` and `val` cannot be read alike.*'stretch', and"):
        ImageClassifier().fit(train, boxed[0])
    other = replace(val, policy=DecodePolicy(resize="letterbox"))
    with pytest.raises(DataError, match=r"fill=\(255, 0, 40\), and those with fill=\(128, 128"):
        ImageClassifier().fit(boxed[1], other)


def test_a_model_reads_photos_as_those_that_it_learned_from(part_photos):
    photos = scan_photos(part_photos, fit="letterbox")
    assert photos.policy == DecodePolicy(resize="letterbox")
    told = ModelInput(name="photo", shape=(48, 48, 3), dtype="uint8",
                      preparation=policy("letterbox").to_dict())  # fmt: skip
    recipe = ImageClassifier()
    recipe.fitted_ = SimpleNamespace(input=told)
    other = replace(photos, policy=DecodePolicy(max_16bit=4095))
    assert recipe._as_fitted(other).policy == replace(policy("letterbox"), max_16bit=4095)
