"""Ranges that a few values stretch are found, and told in plain words."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

import kerasrecipes as kr
from kerasrecipes.optimization.quantization_report import QuantizationReport
from kerasrecipes.quantization.range_outliers import RangeOutlier, find_range_outliers

SIDE = 16


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    photo = keras.Input((SIDE, SIDE, 3), name="photo")
    x = layers.Rescaling(1.0, -100.0, name="scale")(photo)
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(8, 1, name="first")(x))
    x = layers.Conv2D(16, 3, activation=keras.activations.relu6, name="clipped")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(photo, layers.Dense(3, activation="softmax", name="scores")(x))


def photos(highlights):
    """Even photos, with as many single white pixels, each on a photo of its own."""
    pixels = np.random.default_rng(0).normal(100, 2, (64, SIDE, SIDE, 3))
    for i in range(highlights):
        pixels[7 * i, 3 + i, 5] = 255
    return pixels.round().astype("uint8")


def test_a_highlight_that_stretches_a_range_is_found(model):
    assert find_range_outliers(model, photos(0)) == ()
    (found,) = find_range_outliers(model, photos(3))
    assert found.layer == "first"  # what is clipped cannot be stretched, and pixels are as they are
    assert found.share < 0.25
    values = keras.Model(model.input, model.get_layer("norm").output)(photos(3).astype("float32"))
    ends = np.quantile(np.asarray(values), [0, 0.0005, 0.9995, 1])
    assert (found.low, found.high) == pytest.approx((ends[0], ends[3]), rel=1e-4)
    assert (found.usual_low, found.usual_high) == pytest.approx(tuple(ends[1:3]), rel=0.4)


def test_a_graph_that_cannot_be_read_has_none():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    assert find_range_outliers(Own(), photos(1)) == ()


def test_the_report_says_it_in_plain_words(model, small_fitted):
    wide = RangeOutlier("first", -10.0, 90.0, -2.0, 8.0)
    assert str(wide) == (
        "first: 99.9% of the values lie from -2 to 8 and share 26 of 256 levels, since a few "
        "reach from -10 to 90"
    )
    report = QuantizationReport("int8", (), 10, outliers=(wide,) * 6)
    assert f"    {wide}\n" in str(report) and str(report).endswith("    and 2 more")
    assert report.to_dict()["outliers"][0]["usual_high"] == 8.0
    small = kr.quantize(small_fitted, "int8", verbose=False)
    assert "stretch" not in str(replace(small.report, outliers=()))
    assert isinstance(small.report.outliers, tuple)
