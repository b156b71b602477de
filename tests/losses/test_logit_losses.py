"""Losses on logits: values by hand, and the limits in which they are something known."""

import keras
import numpy as np
import pytest

from kerasrecipes.losses.adjusted_cross_entropy import LDAM, BalancedSoftmax
from kerasrecipes.losses.expected_cost import ExpectedCost
from kerasrecipes.losses.robust import GeneralizedCrossEntropy

LOGITS = np.random.default_rng(0).normal(0, 2, (6, 3))
HARD = np.eye(3)[[0, 1, 2, 0, 1, 1]]
SOFT = np.random.default_rng(1).dirichlet(np.ones(3), 6)
COUNTS = [1000, 100, 10]


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def cross_entropy(targets, logits, label_smoothing=0.0):
    loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=label_smoothing, dtype="float64"
    )
    return float(loss(targets, logits))


def value(loss, targets, logits=LOGITS):
    return float(type(loss).from_config({**loss.get_config(), "dtype": "float64"})(targets, logits))


@pytest.mark.parametrize("targets", [HARD, SOFT], ids=["hard", "soft"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("loss", [BalancedSoftmax, LDAM])
def test_without_adjustment_it_is_cross_entropy(loss, smoothing, targets):
    nothing = {"tau": 0} if loss is BalancedSoftmax else {"max_margin": 0}
    made = loss(COUNTS, label_smoothing=smoothing, **nothing)
    expected = cross_entropy(targets, LOGITS, smoothing)
    assert value(made, targets) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("targets", [HARD, SOFT], ids=["hard", "soft"])
def test_balanced_softmax_by_hand(targets):
    share = np.array(COUNTS) / sum(COUNTS)
    weighted = np.exp(LOGITS) * share**0.7
    expected = -(targets * np.log(weighted / weighted.sum(axis=1, keepdims=True))).sum(axis=1)
    assert value(BalancedSoftmax(COUNTS, tau=0.7), targets) == pytest.approx(expected.mean())


def test_balanced_softmax_unlearns_the_class_shares():
    """Logits of pure class shares: cross entropy is content with them, this loss with zeros."""
    loss, targets = BalancedSoftmax([90, 10], dtype="float64"), np.eye(2)[[0] * 9 + [1]]
    uninformed = float(loss(targets, np.zeros((10, 2))))
    shares = float(loss(targets, np.log([[0.9, 0.1]] * 10)))
    assert uninformed == pytest.approx(-0.9 * np.log(0.9) - 0.1 * np.log(0.1))
    assert uninformed < shares - 0.1


def test_ldam_by_hand():
    made = LDAM([16, 1], max_margin=0.5, scale=10)
    assert made.margins == [0.25, 0.5]
    by_hand = [
        np.log(np.exp(3 - 2.5) + np.exp(1)) - (3 - 2.5),
        np.log(np.exp(3) + np.exp(1 - 5)) - (1 - 5),
    ]
    assert value(made, np.eye(2), np.array([[3.0, 1], [3, 1]])) == pytest.approx(np.mean(by_hand))


def test_ldam_is_the_scaled_loss_of_the_paper():
    cosines = np.tanh(LOGITS)
    made = LDAM(COUNTS, scale=30)
    expected = cross_entropy(HARD, 30 * (cosines - np.array(made.margins) * HARD))
    assert value(made, HARD, 30 * cosines) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("targets", [HARD, SOFT], ids=["hard", "soft"])
def test_generalized_cross_entropy_by_hand_and_in_its_limits(targets):
    p = softmax(LOGITS)
    for q in (0.3, 0.7, 1.0):
        expected = (targets * (1 - p**q) / q).sum(axis=1).mean()
        assert value(GeneralizedCrossEntropy(q), targets) == pytest.approx(expected, rel=1e-12)
    nearly = value(GeneralizedCrossEntropy(1e-9), targets)
    assert nearly == pytest.approx(cross_entropy(targets, LOGITS), rel=1e-6)


def test_a_wrong_label_pulls_less_than_in_cross_entropy():
    """At q = 1 the pull of a label vanishes where the model is sure of another class."""
    sure, wrong = np.array([[8.0, 0, 0]]), np.eye(3)[[1]]
    nudged = sure + np.array([[0, 1e-4, 0]])
    pull = {
        q: value(GeneralizedCrossEntropy(q), wrong, sure)
        - value(GeneralizedCrossEntropy(q), wrong, nudged)
        for q in (1e-6, 0.7, 1.0)
    }
    assert pull[1e-6] > 100 * pull[0.7] > 300 * pull[1.0] > 0


def test_expected_cost_by_hand():
    p, costs = softmax(LOGITS), np.array([[0, 1, 50], [2, 0, 1], [1, 3, 0.0]])
    for targets in (HARD, SOFT):
        expected = np.einsum("nt,td,nd->n", targets, costs, p).mean()
        assert value(ExpectedCost(costs), targets) == pytest.approx(expected, rel=1e-12)


def test_equal_costs_give_the_share_of_other_classes():
    made = ExpectedCost(1 - np.eye(3))
    assert value(made, HARD) == pytest.approx(1 - (HARD * softmax(LOGITS)).sum() / 6, rel=1e-12)


@pytest.mark.parametrize("logits", [LOGITS, LOGITS.reshape(2, 3, 3)], ids=["flat", "deep"])
def test_one_loss_for_each_prediction(logits):
    for loss in (
        BalancedSoftmax(COUNTS, reduction="none"),
        LDAM(COUNTS, reduction="none"),
        GeneralizedCrossEntropy(reduction="none"),
        ExpectedCost(1 - np.eye(3), reduction="none"),
    ):
        assert loss(HARD.reshape(logits.shape), logits).shape == logits.shape[:-1]


@pytest.mark.parametrize("make", [lambda: BalancedSoftmax([5, 5]), lambda: LDAM([5, 5])])
def test_another_number_of_classes_is_an_error(make):
    with pytest.raises(ValueError, match="made for 2 classes, and the predictions have 3. Make it"):
        make()(HARD, LOGITS)


def test_class_indices_are_not_spread_over_the_classes_by_accident():
    for loss in (GeneralizedCrossEntropy(), ExpectedCost(1 - np.eye(3)), BalancedSoftmax(COUNTS)):
        with pytest.raises(ValueError, match=r"`y_true` must have one number per class.*one_hot"):
            loss(np.arange(6) % 3, LOGITS)


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (lambda: BalancedSoftmax([5, 0]), "`class_counts` must be .* all above 0, not"),
        (lambda: BalancedSoftmax([5]), "at least 2 classes"),
        (lambda: BalancedSoftmax([5, 5], tau=-1), "`tau` must be a number at least 0, not -1"),
        (lambda: LDAM([5, 5], scale=0), "`scale` must be a number above 0, not 0"),
        (lambda: LDAM([5, 5], max_margin=float("nan")), "`max_margin` must be a number"),
        (lambda: LDAM([5, 5], label_smoothing=2), "`label_smoothing` must be .* at most 1, not 2"),
        (lambda: GeneralizedCrossEntropy(q=0), "`q` must be a number above 0 and at most 1"),
        (lambda: GeneralizedCrossEntropy(q=True), "not True"),
    ],
)
def test_arguments_out_of_range(build, complaint):
    with pytest.raises(ValueError, match=complaint):
        build()


def test_keras_focal_loss_has_no_gradient_where_it_matters_most():
    """The trap: it clips probabilities at 1e-7, so a mistake that is sure enough is not learned."""
    import tensorflow as tf

    from kerasrecipes.losses import get_loss

    x = tf.Variable([[20.0, 0.0]])
    with tf.GradientTape() as tape:
        loss = get_loss("focal")(np.array([[0.0, 1.0]]), x)
    assert not tape.gradient(loss, x).numpy().any()
