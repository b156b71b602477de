"""Corruptions are what they say, and where a model breaks is found, in Keras and in its file."""

import json

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.diagnosis.corruptions import CORRUPTIONS


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(60, 180, (32, 40, 3)).astype(np.uint8)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_stronger_corruption_changes_a_photo_more(photo, name):
    one = CORRUPTIONS[name]
    before = photo.copy()
    changed = [one.apply(photo, strength, 3) for strength in one.strengths]
    assert all(other.shape == photo.shape and other.dtype == np.uint8 for other in changed)
    gaps = [np.abs(other.astype(int) - photo).mean() for other in changed]
    # Turned noise is noise, whatever the angle.
    assert gaps[0] > 0 and (name == "rotation" or gaps == sorted(gaps))
    assert np.array_equal(one.apply(photo, one.strengths[0], 3), changed[0])
    assert np.array_equal(photo, before)


def test_strengths_are_in_their_units(photo):
    def by(name, strength):
        return CORRUPTIONS[name].apply(photo, strength, 0).astype(float)

    assert np.array_equal(by("brighter", 16), photo + 16.0)
    assert by("noise", 8).std() ** 2 - photo.std() ** 2 == pytest.approx(64, abs=15)
    assert by("less contrast", 0.4).std() / photo.std() == pytest.approx(0.4, abs=0.01)
    linear = ((photo / 255 + 0.055) / 1.055) ** 2.4
    darker = ((by("underexposed", -1) / 255 + 0.055) / 1.055) ** 2.4
    assert (darker / linear).mean() == pytest.approx(0.5, abs=0.01)


@pytest.fixture(scope="module")
def report(saved, wrong_photos):
    return kr.stress_bundle(saved, wrong_photos, count=60)


def test_harm_is_shown_where_it_is(report):
    levels = {(one.corruption, one.strength): one for one in report.levels}
    assert len(levels) == 36 and report.compared == 36 * 4
    assert report.n == 60 and 0.7 < report.clean.value < 1
    # Colours are told apart however they are turned; hardly any is left in the dark.
    assert not any(report.harmed(levels["rotation", s].change) for s in (5, 10, 20, 45))
    assert report.harmed(levels["underexposed", -3].change)
    assert "underexposed" in report.breaks() and "Harm is shown from" in str(report)
    json.dumps(report.to_dict(), allow_nan=False)


def test_an_exported_file_is_asked_in_its_place(exported_once, wrong_photos, report):
    with pytest.raises(ValueError, match="'tflite-int4'.*Did you mean 'tflite-int8'"):
        kr.stress_bundle(exported_once, wrong_photos, export="tflite-int4")
    by_file = kr.stress_bundle(exported_once, wrong_photos, count=60, export="tflite-float32")
    pairs = zip(report.levels, by_file.levels, strict=True)
    assert np.mean([abs(one.quality - other.quality) < 0.02 for one, other in pairs]) > 0.95
    assert by_file.file == "tflite-float32"


def test_wrong_counts_are_refused(saved, wrong_photos):
    with pytest.raises(ValueError, match="`count` must be a whole number"):
        kr.stress_bundle(saved, wrong_photos, count=0)
