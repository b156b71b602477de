"""Answers whose truth became known: whether they are as good as promised, look by look."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.drift.observed import Observed
from kerasrecipes.drift.profile import ReferenceProfile
from kerasrecipes.drift.shift import p_of_look
from kerasrecipes.drift.truth import HONESTY, compare_truth, detectable_fall, quality_of
from kerasrecipes.statistics.two_sample import lower_mean_test

CLASSES = OutputSpec(name="scores", task="classification", class_names=("good", "bad"))
NUMBER = OutputSpec(name="value", task="regression", unit="mm")


def answered(n: int, rng, right=0.9, sure=0.9, bad=0.3) -> Observed:
    """Answers of a classifier that is right, and sure, as often as is told."""
    truth = (rng.random(n) < bad).astype(int)
    said = np.where(rng.random(n) < right, truth, 1 - truth)
    scores = np.full((n, 2), 1 - sure, np.float32)
    scores[np.arange(n), said] = sure
    return Observed({}, np.zeros((n, 3), np.float32), scores, truth)


def measured(n: int, rng, error: float) -> Observed:
    truth = rng.normal(5, 2, n)
    said = (truth + rng.normal(0, error, n)).astype(np.float32)[:, None]
    return Observed({}, np.zeros((n, 3), np.float32), said, truth)


def look(profile, seen):
    return {one.name: one for one in compare_truth(profile, profile.sketched(seen))}


def test_what_falls_is_told_from_what_only_comes_more_often():
    rng = np.random.default_rng(0)
    profile = ReferenceProfile.of(answered(600, rng), CLASSES, "photos")
    worse = look(profile, answered(200, rng, right=0.75))
    assert worse["accuracy"].p_value < 1e-3 and worse["true classes"].p_value > 0.01
    assert worse["accuracy"].effect == pytest.approx(0.15, abs=0.07)
    surer = look(profile, answered(200, rng, sure=0.99))
    assert surer[HONESTY].p_value < 1e-3 and surer["accuracy"].p_value > 0.01
    rarer = look(profile, answered(200, rng, bad=0.7))
    assert rarer["true classes"].p_value < 1e-6 and rarer["accuracy"].p_value > 0.01
    better = look(profile, answered(200, rng, right=1.0))
    assert better["accuracy"].p_value == pytest.approx(1.0, abs=0.05)


def grouped(parts: int, each: int, rng) -> Observed:
    """The same, of parts that are shown several times: all of a part are answered alike."""
    return replace(
        answered(parts, rng).rows(np.repeat(np.arange(parts), each)),
        groups=np.repeat(np.arange(parts), each),
    )


def test_parts_count_once_however_often_they_are_shown():
    rng, covered, accused = np.random.default_rng(5), [], {True: 0, False: 0}
    for _ in range(50):
        profile = ReferenceProfile.of(answered(400, rng), CLASSES, "photos")
        seen = profile.sketched(grouped(25, 8, rng))
        found = quality_of(profile, seen)
        covered.append(found.low <= 0.9 <= found.high)
        for known in accused:
            shown = seen if known else replace(seen, groups=None)
            accused[known] += p_of_look(compare_truth(profile, shown)) < 0.05
    assert np.mean(covered) >= 0.9
    assert accused[True] <= 6 and accused[False] > 15


def test_answers_that_stay_as_good_are_as_rarely_accused_as_promised():
    rng = np.random.default_rng(1)
    found = []
    for _ in range(150):
        profile = ReferenceProfile.of(answered(150, rng, right=0.97), CLASSES, "photos")
        shifts = compare_truth(profile, profile.sketched(answered(60, rng, right=0.97)))
        found.append(p_of_look(shifts))
    assert np.mean(np.array(found) <= 0.1) <= 0.1 + 3 * np.sqrt(0.09 / 150)


def test_a_fall_as_large_as_is_said_is_noticed_in_four_of_five_looks():
    rng = np.random.default_rng(2)
    profile = ReferenceProfile.of(answered(900, rng), CLASSES, "photos")
    fall = detectable_fall(profile, 200, 3, 0.05)
    seen = [answered(200, rng, right=profile.facts.quality - fall) for _ in range(60)]
    right = [one.answers.argmax(axis=1) == one.targets for one in (profile, *seen)]
    found = [lower_mean_test(right[0], now, permutations=300).p_value for now in right[1:]]
    noticed = [p_value <= 0.05 / 3 for p_value in found]
    assert 0.6 < np.mean(noticed) < 0.95
    estimate = quality_of(profile, profile.sketched(seen[0]))
    assert estimate.low < estimate.value < estimate.high


def test_numbers_are_judged_by_their_error():
    rng = np.random.default_rng(3)
    profile = ReferenceProfile.of(measured(400, rng, 0.5), NUMBER, "photos")
    assert p_of_look(tuple(look(profile, measured(100, rng, 0.5)).values())) > 0.01
    worse = compare_truth(profile, profile.sketched(measured(100, rng, 1.5)))
    assert worse[0].p_value < 1e-3 and worse[0].name != "truth"


def test_labels_that_come_later_are_looked_at_by_themselves(
    exported_once, profile, line, tiny, tmp_path
):
    history = tmp_path / "drift.db"
    folder = tmp_path / "labelled"
    photos = sorted((line / "reference").rglob("*.png"))
    for path in photos:
        target = folder / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    names = {name.replace("\n", " "): name for name in tiny.CLASS_NAMES}
    window = kr.scan_photos(folder)
    window = window.with_items([replace(one, label=names[one.label]) for one in window.photos])
    window = replace(window, class_names=tuple(tiny.CLASS_NAMES))
    told = {"reference": profile, "history": history}
    assert kr.detect_drift(exported_once, line / "week0", **told).look == 1
    found = kr.detect_drift(exported_once, window, labels=True, **told)
    assert found.verdict == "no change seen" and found.look == 1
    assert found.measured_quality.value == pytest.approx(found.quality)
    assert "Accuracy on these photos: " in str(found) and found.expected_quality is None
    turned = dict(zip(tiny.CLASS_NAMES, tiny.CLASS_NAMES[1:] + tiny.CLASS_NAMES[:1], strict=True))
    wrong = window.with_items([replace(one, label=turned[one.label]) for one in window.photos[5:]])
    bad = kr.detect_drift(exported_once, wrong, labels=True, **told)
    assert bad.alarm and bad.look == 2 and "Most of all, accuracy moved from" in str(bad)
    assert kr.detect_drift(exported_once, line / "week1", **told).look == 2
