"""Files judged by photos of which several show one part: by parts."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.optimization.search.candidate import FileJudge
from kerasrecipes.photos.sources.arrays import photos_from_arrays
from kerasrecipes.training.fitted import HeldOut
from kerasrecipes.training.save import _write_golden
from kerasrecipes.verify.comparing import compare, mean_quality
from kerasrecipes.verify.held_out import Answered
from kerasrecipes.verify.wording import to_plain

NAMES = ("ok", "crack")
OUTPUTS = {
    "classification": OutputSpec(name="scores", task="classification", class_names=NAMES),
    "multi_label": OutputSpec(name="labels", task="multi_label", class_names=NAMES),
    "ordinal": OutputSpec(name="scores", task="ordinal", class_names=NAMES),
    "regression": OutputSpec(name="value", task="regression", unit="mm"),
}
PARTS = np.arange(96) // 8


def judged(task, groups, parts=PARTS):
    """Compare a file with its original: it differs on all eight photos of each third part."""
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=96)
    worse = parts % 3 == 0
    answers = np.where(labels[:, None] == [0, 1], 0.9, 0.1)
    targets = {"multi_label": np.eye(2, dtype=bool)[labels], "regression": labels.astype(float)}
    if task == "regression":
        answers = labels[:, None] + rng.normal(0, 0.01, (96, 1))
    said = np.where(worse[:, None], answers + 1 if task == "regression" else 1 - answers, answers)
    held_out = Answered(
        [str(i) for i in range(96)], targets.get(task, labels), answers, iter(()), groups
    )
    return compare(said, held_out, OUTPUTS[task])


@pytest.mark.parametrize("task", OUTPUTS)
def test_differences_go_by_parts_and_say_how_many_there_are(task):
    (alone, grouped), width = (judged(task, groups) for groups in (None, PARTS)), {}
    for name, found in (("alone", alone), ("grouped", grouped)):
        low, high = found["difference_interval"]
        width[name] = high - low
    assert (alone["groups"], grouped["groups"]) == (None, 12)
    assert width["grouped"] > 1.8 * width["alone"]
    assert grouped["accuracy_difference"] == alone["accuracy_difference"]
    if task in {"classification", "ordinal"}:
        assert alone["mcnemar_p"] < 1e-6 and grouped["mcnemar_p"] == 2 / 2**4
        for one, other in zip(alone["classes"], grouped["classes"], strict=True):
            assert np.ptp(other.interval) > 1.5 * np.ptp(one.interval)
    one = judged(task, np.zeros(96, int))
    low, high = one["difference_interval"]
    assert (low, high) == (-1, 1) or low == -math.inf
    json.dumps(
        to_plain({name: one[name] for name in ("difference_interval", "groups")}), allow_nan=False
    )


def test_a_mean_of_files_goes_by_parts():
    right = PARTS % 3 > 0
    share, alone = mean_quality(right.astype(float), PARTS), mean_quality(right.astype(float))
    assert share.value == alone.value and share.high - share.low > 1.8 * (alone.high - alone.low)
    errors = -np.where(right, 0.5, 1.5)
    errors[0] = -np.inf
    mean = mean_quality(errors, PARTS)
    assert mean.low < mean.value < mean.high < 0


@pytest.fixture(scope="module")
def photos():
    x = np.random.default_rng(0).integers(0, 256, (24, 24, 24, 3), np.uint8)
    return photos_from_arrays(
        x, np.arange(24) % 2, class_names=NAMES, groups=[i // 4 for i in range(24)]
    )


def test_golden_photos_keep_their_groups_as_numbers(photos, tmp_path):
    answers = np.tile(np.float32([0.5, 0.5]), (24, 1))
    for name, examples in (("grouped", photos), ("alone", photos.select(range(0, 24, 4)))):
        held_out = HeldOut("test", examples, examples.labels, answers)
        fitted = SimpleNamespace(golden=held_out, others=())
        _write_golden(tmp_path / name, fitted, [0, 2, 3, 5])
    with np.load(tmp_path / "grouped" / "golden.npz") as golden:
        assert golden["groups"].tolist() == [0, 0, 0, 1]
    with np.load(tmp_path / "alone" / "golden.npz") as golden:
        assert "groups" not in golden


def test_candidates_of_a_search_are_judged_by_parts(photos, tmp_path):
    judge = FileJudge(photos, OUTPUTS["classification"], tmp_path / "float.tflite")
    judge.answers = np.eye(2, dtype=np.float32)[photos.labels]
    worse = judge.answers.copy()
    worse[:4] = 1 - worse[:4]  # one part of six
    found = judge._drop(worse, judge.answers, 1.0)
    assert found["groups"] == 6 and found["drop"] == pytest.approx(1 / 6)
    # As of one part of six; the same photos as if each were a part of its own would say 0.076.
    assert found["drop_error"] == pytest.approx(math.sqrt(1 / 6 * 5 / 6 / 5))
    assert found["drop_interval"][0] < 0 and np.ptp(found["accuracy_interval"]) > 0.4
