"""The first number: linear, honest about what it saw, and without a trace in the recipe."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from kerasrecipes import DataError, ImageClassifier, get_backbone
from kerasrecipes.choosing.probe import probe_backbone
from kerasrecipes.training.linear_probe import (
    STRENGTHS,
    build_linear,
    fit_linear_probe,
    pooled_features,
)

SIZE = (48, 48)


@pytest.fixture(scope="module")
def result(part_sets, quick_recipe):
    train, val, _ = part_sets
    return quick_recipe().probe(train, val)


def blobs(classes: int, count: int, seed: int, spread: float = 1.0):
    """Draw features of different scales around one centre for each class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centres = np.random.default_rng(99).normal(size=(classes, 6))
    features = centres[labels] + spread * rng.normal(size=(count, 6))
    return (features * 10.0 ** np.arange(-3, 3) + 5).astype(np.float32), labels


def test_it_tells_parts_apart_without_training(result, part_sets):
    assert result.evaluation.accuracy.value > 0.8
    assert result.evaluation.n == len(part_sets[1])
    assert result.photos == len(part_sets[0])
    assert result.backbone == "efficientnet_lite0" and result.strength in STRENGTHS


def test_it_is_told_in_plain_words(result):
    text = str(result)
    assert re.match(r"A first number for efficientnet_lite0, in \d+ s: the backbone as it is", text)
    assert "learned from 24 photos" in text and str(result.evaluation) in text
    assert "C was chosen by the photos that are judged here, which flatters" in text
    again = json.loads(json.dumps(result.to_dict()))
    assert again["strength"] == result.strength and again["evaluation"]["n"] == 12


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
    assert one.evaluation == other.evaluation and one.strength == other.strength
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


@pytest.mark.parametrize("classes", [2, 3])
def test_the_probe_is_scikit_learns_logistic_regression(classes):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features, labels = blobs(classes, 120, seed=0)
    val, val_labels = blobs(classes, 60, seed=1)
    probe = fit_linear_probe(features, labels, np.ones(classes), val, val_labels)
    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(C=probe.strength, max_iter=2000)
    )
    expected = classifier.fit(features, labels).predict_proba(val)
    np.testing.assert_allclose(probe.answers(val), expected, atol=5e-3)


def test_noisier_features_are_regularised_more():
    def chosen(spread):
        features, labels = blobs(3, 60, 2, spread)
        return fit_linear_probe(features, labels, np.ones(3), *blobs(3, 300, 3, spread)).strength

    assert chosen(8.0) < chosen(0.2)


def test_class_weights_lift_a_rare_class():
    features, labels = blobs(2, 400, 4, spread=3.0)
    keep = (labels == 0) | (np.arange(400) < 40)
    val, val_labels = blobs(2, 400, 5, spread=3.0)
    recalls = []
    for weights in ([1.0, 1.0], [0.5, 5.0]):
        probe = fit_linear_probe(features[keep], labels[keep], np.array(weights), val, val_labels)
        recalls.append((probe.answers(val).argmax(axis=1)[val_labels == 1] == 1).mean())
    assert recalls[1] > recalls[0] + 0.2


def test_features_are_those_of_the_photos_in_their_order(part_sets):
    _, val, test = part_sets
    model = build_linear(get_backbone("efficientnet_lite0").build(SIZE), 3)
    one, other = pooled_features(model, val, test)
    (turned,) = pooled_features(model, val.select(range(len(val) - 1, -1, -1)))
    assert one.shape == (len(val), model.get_layer("logits").input.shape[-1])
    assert len(other) == len(test) and not np.allclose(one, other)
    np.testing.assert_allclose(turned[::-1], one, atol=1e-4)
