"""The first number: linear, honest about what it saw, and without a trace in the recipe."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from kerasrecipes import DataError, ImageClassifier, UnfreezeSchedule, get_backbone
from kerasrecipes.choosing.probe import probe_backbone
from kerasrecipes.training.linear.depths import depth_features

SIZE = (48, 48)


@pytest.fixture(scope="module")
def result(part_sets, quick_recipe):
    train, val, _ = part_sets
    return quick_recipe().probe(train, val)


def test_it_tells_parts_apart_without_training(result, part_sets):
    assert result.evaluation.accuracy.value > 0.8
    assert result.evaluation.n == len(part_sets[1])
    assert result.photos == len(part_sets[0])
    assert result.backbone == "efficientnet_lite0" and result.depths in (1, 6, 14)


def test_it_is_told_in_plain_words(result):
    text = str(result)
    assert re.match(r"A first number for efficientnet_lite0, in \d+ s: the backbone as it is", text)
    assert "learned from 24 photos" in text and str(result.evaluation) in text
    assert f"Chosen by cross-validation on these: {result.reason}. What fine-tuning adds" in text
    again = json.loads(json.dumps(result.to_dict()))
    assert again["depths"] == result.depths and again["evaluation"]["n"] == 12


def test_the_recipe_and_its_model_stay_as_they_are(part_sets, tiny_spec):
    train, val, _ = part_sets
    recipe = ImageClassifier(tiny_spec(), image_size=SIZE)
    recipe.fitted_ = object()
    before = dict(vars(recipe))
    recipe.probe(train, val)
    assert vars(recipe) == before


def test_it_repeats_and_a_specification_is_enough(part_sets, tiny_spec):
    train, val, _ = part_sets
    recipe = ImageClassifier(tiny_spec(), image_size=SIZE, weights=None, seed=3)
    one, other = (recipe.probe(train, val) for _ in range(2))
    assert one.evaluation == other.evaluation and one.reason == other.reason
    found = probe_backbone(tiny_spec(), train, val)
    assert found.backbone == "tiny" and found.evaluation.n == len(val)


def test_leaks_are_told(part_sets, tiny_spec, capsys):
    train, _, _ = part_sets
    found = probe_backbone(tiny_spec(), train, train.select(range(6)))
    assert found.leaks and f"Warning: {found.leaks[0]}" in capsys.readouterr().err
    probe_backbone(tiny_spec(), train, train.select(range(6)), verbose=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "efficientnet_lite"}, "Unknown backbone 'efficientnet_lite'. Did you mean"),
        ({"image_size": (4, 4)}, "`image_size` 4x4 is too small"),
        ({"class_weights": "yes"}, "`class_weights` must be 'auto', 'sqrt'"),
    ],
)
def test_it_judges_arguments_as_fit_does(part_sets, settings, message):
    with pytest.raises(ValueError, match=message):
        ImageClassifier(**settings).probe(*part_sets[:2])


def test_it_judges_photos_as_fit_does(part_sets):
    train, val, _ = part_sets
    with pytest.raises(DataError, match="`val` is empty"):
        probe_backbone("efficientnet_lite0", train, val.select([]))
    with pytest.raises(DataError, match="`train` has the classes"):
        probe_backbone("efficientnet_lite0", train, replace(val, class_names=("a", "b")))


def test_features_are_those_of_the_photos_in_their_order(part_sets):
    _, val, test = part_sets
    spec = get_backbone("efficientnet_lite0")
    backbone = spec.build(SIZE)
    one, other = depth_features(backbone, spec, None, val, test)
    (turned,) = depth_features(backbone, spec, None, val.select(range(len(val) - 1, -1, -1)))
    assert one.depths == (1, 6, 14) and len(one.widths) == 14
    assert one.rows.shape == (len(val), sum(one.widths)) and one.widths[-1] == 2 * 1280
    assert len(other.rows) == len(test) and not np.allclose(one.rows, other.rows)
    np.testing.assert_allclose(turned.rows[::-1], one.rows, atol=1e-4)


def test_a_recipe_may_say_how_many_depths(part_sets, tiny_spec):
    found = ImageClassifier(tiny_spec(), image_size=SIZE, depths=2).probe(*part_sets[:2])
    assert found.depths == 2 and "the last 2 blocks" in found.reason
    with pytest.raises(ValueError, match="`depths=3` is not possible: 'tiny' has 2 blocks"):
        ImageClassifier(tiny_spec(), depths=3).probe(*part_sets[:2])
    schedule = UnfreezeSchedule.two_phase(open_fraction=0.1)
    with pytest.raises(ValueError, match="opens the last 2 of 18 blocks.*Pass depths=3 or fewer"):
        ImageClassifier(depths=4, schedule=schedule).probe(*part_sets[:2])
