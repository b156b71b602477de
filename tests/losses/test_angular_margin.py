import keras
import numpy as np
import pytest

from kerasrecipes.losses.angular_margin import ArcFace, CosFace

ANGLES = np.linspace(0.01, np.pi - 0.01, 60)


def true_logit(loss, angles):
    """The adjusted logit of the true class, unscaled, by its angle."""
    logits = loss.scale * np.stack([np.cos(angles), np.zeros_like(angles)], axis=1)
    targets = np.tile([1.0, 0.0], (len(angles), 1))
    adjusted = np.asarray(loss.adjusted(targets, logits))
    np.testing.assert_array_equal(adjusted[:, 1], logits[:, 1])
    return adjusted[:, 0] / loss.scale


def test_arcface_adds_to_the_angle():
    inside = ANGLES[ANGLES < np.pi - 0.5]
    found = true_logit(ArcFace(margin=0.5, scale=64), inside)
    np.testing.assert_allclose(found, np.cos(inside + 0.5), atol=1e-9)


@pytest.mark.parametrize("margin", [0.1, 0.5, np.pi / 2])
def test_arcface_falls_with_the_angle_without_a_jump(margin):
    angles = np.linspace(0.01, np.pi - 0.01, 4000)
    steps = np.diff(true_logit(ArcFace(margin=margin), angles))
    assert (steps < 0).all() and steps.min() > -2e-3


def test_cosface_takes_from_the_cosine():
    np.testing.assert_allclose(true_logit(CosFace(0.35), ANGLES), np.cos(ANGLES) - 0.35, atol=1e-12)


@pytest.mark.parametrize("loss", [ArcFace, CosFace])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_without_a_margin_it_is_cross_entropy(loss, smoothing):
    logits = 30 * np.tanh(np.random.default_rng(0).normal(size=(5, 3)))
    targets = np.random.default_rng(1).dirichlet(np.ones(3), 5)
    options = {"label_smoothing": smoothing, "dtype": "float64"}
    expected = keras.losses.CategoricalCrossentropy(from_logits=True, **options)(targets, logits)
    assert float(loss(margin=0, **options)(targets, logits)) == pytest.approx(float(expected))


def test_cosface_by_hand():
    loss = CosFace(margin=0.5, scale=4.0, dtype="float64")
    # Logits 4 · (0.75, 0.25); with the margin 1 and 1.
    assert float(loss(np.array([[1.0, 0.0]]), np.array([[3.0, 1.0]]))) == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (lambda: ArcFace(margin=2), "`margin` must be a number at least 0 and at most 1.57"),
        (lambda: CosFace(margin=-0.1), "`margin` must be .* not -0.1"),
        (lambda: CosFace(scale=0), "`scale` must be a number above 0"),
        (lambda: ArcFace(scale=-1), "`scale` must be a number above 0"),
    ],
)
def test_arguments_out_of_range(build, complaint):
    with pytest.raises(ValueError, match=complaint):
        build()
