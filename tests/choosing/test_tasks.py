"""Probes and recommendations of several labels, numbers and ordered classes."""

import json

import numpy as np
import pytest

from kerasrecipes import DataError, ImageClassifier, split_photos
from kerasrecipes.choosing.probe import probe_backbone
from kerasrecipes.choosing.recommend import recommend_backbone

SIDE = (32, 32)


def sides(photos):
    return split_photos(photos, test_fraction=0, val_fraction=0.3)[:2]


def test_labels_are_probed_as_labels(answered, tiny_spec):
    train, val = sides(answered("labels"))
    found = probe_backbone(tiny_spec(), train, val, verbose=False)
    evaluation = found.evaluation
    assert evaluation.task == "multi_label" and evaluation.class_names == train.class_names
    assert evaluation.mean_average_precision.value > evaluation.baseline.value + 0.2
    text = str(found)
    assert "a logistic regression for each label that learned from" in text
    assert "Chosen by cross-validation on these: " in text
    assert "mean average precision" in text and "Thresholds were chosen on these" in text
    assert json.loads(json.dumps(found.to_dict()))["evaluation"]["task"] == "multi_label"


def test_numbers_are_probed_in_their_unit(answered, tiny_spec):
    train, val = sides(answered("number"))
    recipe = ImageClassifier(tiny_spec(), image_size=(48, 48), head="regression", unit="mm")
    found = recipe.probe(train, val, verbose=False)
    assert found.evaluation.task == "regression" and found.evaluation.unit == "mm"
    assert found.evaluation.r_squared.value > 0.3
    assert abs(found.evaluation.bias.value) < 0.5
    assert "R²" in str(found) and "and a ridge regression that learned from" in str(found)


def test_ordered_classes_are_judged_by_how_far_off_they_are(answered, tiny_spec):
    train, val = sides(answered("class"))
    recipe = ImageClassifier(tiny_spec(), image_size=(48, 48), head="ordinal")
    found = recipe.probe(train, val, verbose=False)
    assert found.evaluation.task == "ordinal"
    assert found.evaluation.class_names == ("plain", "dot", "stripe")
    assert "a logistic regression that learned from" in str(found)
    # The same linear model as for classes without an order.
    assert probe_backbone(tiny_spec(), train, val, verbose=False).reason == found.reason


def test_a_head_that_learns_something_else_is_refused(answered, tiny_spec):
    train, val = sides(answered("number"))
    with pytest.raises(DataError, match="Give other labels, or choose the head 'regression'"):
        ImageClassifier(tiny_spec()).probe(train, val)
    with pytest.raises(ValueError, match="`class_weights='balanced'` would have no effect"):
        recipe = ImageClassifier(tiny_spec(), head="regression", class_weights="balanced")
        recipe.probe(train, val, verbose=False)
    with pytest.raises(DataError, match="choose the head 'regression'"):
        recommend_backbone(answered("number"), backbones=[tiny_spec()], head="ordinal")
    with pytest.raises(ValueError, match="`min_recall` would have no effect: the photos have a n"):
        recommend_backbone(answered("number"), backbones=[tiny_spec()], min_recall=0.5)
    with pytest.raises(ValueError, match="Unknown head 'ordinals'. Did you mean 'ordinal'"):
        recommend_backbone("photos", head="ordinals")


def test_backbones_are_compared_by_labels(answered, tiny_spec):
    settings = {"backbones": [tiny_spec()], "image_size": SIDE, "min_recall": {"dot": 0.01}}
    found = recommend_backbone(answered("labels", wrong=5), **settings, verbose=False)
    assert (found.head, found.failed, len(found.candidates)) == ("multi_label", {}, 2)
    int8, float32 = found.candidates
    assert set(float32.recalls) == {"dot", "marked", "stripe"} and float32.same_model
    assert float32.accuracy.value == pytest.approx(float32.qualities.mean())
    assert float32.accuracy.low < float32.accuracy.value < float32.accuracy.high
    heading = str(found).splitlines()[2]
    titles = ("label accuracy", "Mean average precision", "F1, macro", "weakest label", "1 thread")
    assert [heading.index(title) for title in titles] == sorted(map(heading.index, titles))
    assert "Label accuracy is that of a linear model on the frozen backbone" in str(found)
    row = json.loads(json.dumps(found.to_dict()))["candidates"][0]
    assert row["label_accuracy"] == int8.accuracy.to_list()
    assert row["evaluation"]["task"] == "multi_label"


@pytest.mark.proof
def test_backbones_are_compared_by_ordered_classes(answered, tiny_spec):
    settings = {"backbones": [tiny_spec()], "image_size": SIDE, "head": "ordinal"}
    found = recommend_backbone(answered("class", wrong=5), **settings, verbose=False)
    assert (found.head, found.failed) == ("ordinal", {})
    one = found.candidates[1]
    shown = one.evaluation.mean_absolute_error
    assert 0 < shown.low < shown.value < shown.high
    assert one.accuracy.value == -shown.value and one.accuracy.high == -shown.low
    assert list(one.recalls) == ["plain", "dot", "stripe"] and one.agreement == 1
    assert np.array_equal(np.unique(one.qualities % 1), [0])
    assert "mean absolute error" in str(found).splitlines()[2]
