"""Losses on embeddings, against their definitions written as loops."""

import numpy as np
import pytest
import tensorflow as tf

from kerasrecipes.losses.contrastive import SupervisedContrastive
from kerasrecipes.losses.triplet import SemiHardTriplet

RNG = np.random.default_rng(0)
CLASSES = np.array([0, 1, 0, 2, 1, 1, 0, 2, 0, 3])  # the last one is alone
TARGETS = np.eye(4)[CLASSES]
EMBEDDINGS = RNG.normal(size=(10, 5))
UNIT = EMBEDDINGS / np.linalg.norm(EMBEDDINGS, axis=1, keepdims=True)
EACH = {"reduction": "none", "dtype": "float64"}


def contrastive_by_loops(unit, classes, temperature):
    losses = []
    for i in range(len(unit)):
        others = [j for j in range(len(unit)) if j != i]
        total = sum(np.exp(unit[i] @ unit[j] / temperature) for j in others)
        terms = [
            -np.log(np.exp(unit[i] @ unit[j] / temperature) / total)
            for j in others
            if classes[j] == classes[i]
        ]
        losses.append(np.mean(terms) if terms else 0.0)
    return np.array(losses)


def triplet_by_loops(unit, classes, margin):
    losses = []
    for i in range(len(unit)):
        terms = []
        far = [((unit[i] - unit[n]) ** 2).sum() for n in np.flatnonzero(classes != classes[i])]
        for j in np.flatnonzero(classes == classes[i]):
            if j != i and far:
                pair = ((unit[i] - unit[j]) ** 2).sum()
                semi_hard = [d for d in far if d > pair]
                terms.append(max(0, pair - (min(semi_hard) if semi_hard else max(far)) + margin))
        losses.append(np.mean(terms) if terms else 0.0)
    return np.array(losses)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_contrastive_is_its_definition(temperature):
    found = SupervisedContrastive(temperature, **EACH)(TARGETS, EMBEDDINGS).numpy()
    np.testing.assert_allclose(found, contrastive_by_loops(UNIT, CLASSES, temperature), rtol=1e-9)
    assert found[-1] == 0 and (found[:-1] > 0).all()


@pytest.mark.parametrize("margin", [0.0, 0.2, 1.0])
def test_triplet_is_its_definition(margin):
    found = SemiHardTriplet(margin, **EACH)(TARGETS, EMBEDDINGS).numpy()
    np.testing.assert_allclose(found, triplet_by_loops(UNIT, CLASSES, margin), atol=1e-12)
    assert found[-1] == 0 and (margin == 0) == (not found.any())


def test_without_a_negative_that_is_farther_the_farthest_counts():
    """Two of a class opposite to each other, all others in between."""
    angles = np.radians([0, 180, 60, 90])
    unit = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found = SemiHardTriplet(0.1, **EACH)(np.eye(2)[[0, 0, 1, 1]], unit).numpy()
    assert found[0] == pytest.approx(4 - 2 + 0.1)  # the photo at 90° is farther than that at 60°
    assert found[1] == pytest.approx(4 - 3 + 0.1)


@pytest.mark.parametrize("loss", [SupervisedContrastive(**EACH), SemiHardTriplet(1.0, **EACH)])
def test_only_directions_and_who_belongs_together_count(loss):
    scaled = EMBEDDINGS * RNG.uniform(0.1, 10, (10, 1))
    renamed = TARGETS[:, [2, 0, 3, 1]]
    order = RNG.permutation(10)
    expected = loss(TARGETS, EMBEDDINGS).numpy()
    np.testing.assert_allclose(loss(renamed, scaled).numpy(), expected, rtol=1e-9, atol=1e-12)
    shuffled = loss(TARGETS[order], EMBEDDINGS[order]).numpy()
    np.testing.assert_allclose(shuffled, expected[order], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss", [SupervisedContrastive(), SemiHardTriplet()])
@pytest.mark.parametrize("classes", [[0, 1, 2], [1, 1, 1], [0]], ids=["all alone", "one", "single"])
def test_batches_with_nothing_to_compare_stay_finite(loss, classes):
    x = tf.Variable(EMBEDDINGS[: len(classes)].astype("float32"))
    with tf.GradientTape() as tape:
        value = loss(np.eye(3)[classes], x)
    assert np.isfinite(float(value)) and np.isfinite(tape.gradient(value, x).numpy()).all()
    if len(set(classes)) == len(classes):
        assert float(value) == 0


@pytest.mark.parametrize("loss", [SupervisedContrastive(), SemiHardTriplet(0.5)])
def test_descending_gathers_the_classes(loss):
    x = tf.Variable(EMBEDDINGS.astype("float32"))
    kept = CLASSES != 3

    def spread():
        unit = (x / tf.norm(x, axis=1, keepdims=True)).numpy()[kept]
        same = CLASSES[kept][:, None] == CLASSES[kept]
        cosines = unit @ unit.T
        return cosines[same].mean() - cosines[~same].mean()

    before = spread()
    for _ in range(200):
        with tf.GradientTape() as tape:
            value = loss(TARGETS, x)
        x.assign_sub(0.5 * tape.gradient(value, x))
    assert before < 0.5 and spread() > 0.9


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (lambda: SupervisedContrastive(temperature=0), "`temperature` must be a number above 0"),
        (lambda: SemiHardTriplet(margin=5), "`margin` must be a number at least 0 and at most 4"),
    ],
)
def test_arguments_out_of_range(build, complaint):
    with pytest.raises(ValueError, match=complaint):
        build()
