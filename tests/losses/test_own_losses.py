"""Losses of people's own, checked before training; a loss that cares for calibration."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasrecipes import ImageClassifier
from kerasrecipes.losses import AdaptiveFocal, get_loss
from kerasrecipes.settings.judging import judge_recipe


def squared(y_true, y_pred, scale=1.0):
    return scale * ops.mean(ops.square(ops.softmax(y_pred) - y_true), axis=-1)


def averaged(y_true, y_pred):
    return ops.mean(squared(y_true, y_pred))


def flat(y_true, y_pred):
    return ops.cast(ops.argmax(y_pred, -1) != ops.argmax(y_true, -1), y_pred.dtype)


def detached(y_true, y_pred):
    return squared(y_true, ops.stop_gradient(y_pred)) + 0.1 * ops.sum(y_pred, -1)


def infinite(y_true, y_pred):
    return ops.log(0 * ops.sum(y_pred, -1))


def test_functions_classes_and_losses_are_taken():
    judge_recipe(ImageClassifier(loss=squared, loss_options={"scale": 2.0}))
    judge_recipe(ImageClassifier(loss=keras.losses.CategoricalCrossentropy(from_logits=True)))
    options = {"from_logits": True, "gamma": 1.0}
    judge_recipe(
        ImageClassifier(loss=keras.losses.CategoricalFocalCrossentropy, loss_options=options)
    )
    y, scores = np.eye(3, dtype="float32"), np.ones((3, 3), "float32")
    loss = get_loss(squared, scale=2.0)
    assert float(loss(y, scores)) == pytest.approx(2 * 2 / 9)
    config = ImageClassifier(loss=squared).get_config()
    assert config["loss"].endswith(":squared")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": averaged}, "It must return one number for each row, shape (6,)"),
        ({"loss": flat}, "has a gradient of zero everywhere, so that nothing would be learned"),
        ({"loss": detached}, "cannot be learned by. The gradient is wrong at input 1"),
        ({"loss": infinite}, "which are not all finite numbers"),
        ({"loss": squared, "loss_options": {"scal": 2}}, "has no option 'scal'. Did you mean"),
        ({"loss": keras.losses.CategoricalCrossentropy()}, "Make it with from_logits=True."),
        ({"loss": "mine:squared"}, "what somebody's own Python made"),
        ({"loss": squared, "label_smoothing": 0.1}, "would have no effect: the loss 'squared'"),
        ({"loss": 3}, "`loss` must be a name of kerasrecipes.list_losses()"),
    ],
)
def test_what_cannot_be_learned_by_is_told_before_training(settings, message):
    with pytest.raises(ValueError) as error:
        judge_recipe(ImageClassifier(**settings))
    assert message in str(error.value)


def test_adaptive_focal_presses_hardest_where_a_model_is_wrong():
    scores = np.log(np.array([[0.9, 0.1], [0.5, 0.5], [0.1, 0.9]], "float32"))
    y = np.eye(2, dtype="float32")[[0, 0, 0]]
    found = ops.convert_to_numpy(AdaptiveFocal().call(y, scores))
    p, gamma = np.array([0.9, 0.5, 0.1]), np.array([3, 3, 5])
    np.testing.assert_allclose(found, -((1 - p) ** gamma) * np.log(p), rtol=1e-4)
    with pytest.raises(ValueError, match="`gamma` must be a number at least 0"):
        AdaptiveFocal(gamma=-1)
