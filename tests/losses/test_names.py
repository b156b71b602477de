"""Losses by name: what is unknown, missing or without effect is an error, and early."""

import subprocess
import sys

import numpy as np
import pytest

from kerasrecipes.losses import can_smooth, check_loss, get_loss, list_losses


def test_the_names():
    assert list_losses() == [
        "adaptive_focal",
        "balanced_softmax",
        "cross_entropy",
        "expected_cost",
        "focal",
        "generalized_cross_entropy",
        "ldam",
    ]
    assert list_losses("cosines") == ["arcface", "cosface"]
    assert list_losses("binary") == ["binary_cross_entropy", "binary_focal"]
    assert list_losses("numbers") == ["huber", "mean_absolute_error", "mean_squared_error"]
    assert can_smooth("focal") and not can_smooth("expected_cost")


def test_losses_of_keras_are_keras_own():
    focal = get_loss("focal", gamma=3.0, label_smoothing=0.1)
    assert focal.get_config()["gamma"] == 3.0
    assert focal.get_config()["from_logits"] is True
    assert get_loss("cross_entropy", label_smoothing=0.2).get_config()["label_smoothing"] == 0.2
    assert get_loss("binary_focal", "binary").get_config()["from_logits"] is True
    huber = get_loss("huber", "numbers", delta=0.5)
    assert float(huber(np.array([[0.0]]), np.array([[10.0]]))) == pytest.approx(0.5 * 9.75)


def test_yes_or_no_without_weights_is_kerass_own():
    plain = get_loss("binary_cross_entropy", "binary", label_smoothing=0.2)
    assert plain.get_config()["from_logits"] is True
    even = get_loss("binary_cross_entropy", "binary", label_smoothing=0.2, positive_weights=[1, 1])
    targets, logits = np.array([[1.0, 0.0], [0.3, 1.0]]), np.array([[2.0, -1.0], [0.5, -3.0]])
    assert float(even(targets, logits)) == pytest.approx(float(plain(targets, logits)))
    with pytest.raises(ValueError, match="made for 2 classes, and the predictions have 3"):
        get_loss("binary_cross_entropy", "binary", class_counts=[1] * 3, positive_weights=[1, 1])
    with pytest.raises(ValueError, match="must be a list of one number for each label, not 2"):
        get_loss("binary_cross_entropy", "binary", positive_weights=2)


@pytest.mark.parametrize(
    ("arguments", "options", "complaint"),
    [
        (["focul"], {}, "Unknown loss 'focul'. Did you mean 'focal'"),
        (["arcface"], {}, "'arcface' works on cosines, not on logits. Choose from: 'adaptive"),
        (["ldam", "embeddings"], {}, "'ldam' works on logits, not on embeddings"),
        (["focal"], {"gama": 3}, "no option 'gama'. Did you mean 'gamma'. Its options: 'alpha', "),
        (["cross_entropy"], {"gamma": 3}, "'cross_entropy' has no option 'gamma'. It has none."),
        (["expected_cost"], {}, "'expected_cost' needs the options 'costs'"),
        (["focal"], {"label_smoothing": 1.5}, "`label_smoothing` must be a number"),
        (
            ["generalized_cross_entropy"],
            {"label_smoothing": 0.1},
            "`label_smoothing=0.1` would have no effect.*Pass label_smoothing=0.",
        ),
        (["focal", "logit"], {}, "Unknown prediction 'logit'. Did you mean 'logits'"),
    ],
)
def test_wrong_choices_are_found_without_keras(arguments, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        check_loss(*arguments, **options)
    with pytest.raises(ValueError, match=complaint):
        get_loss(*arguments, **options)


def test_checking_a_name_does_not_import_keras():
    code = (
        "import sys; from kerasrecipes.losses import check_loss, list_losses\n"
        "list_losses(); check_loss('ldam', max_margin=0.3); assert 'keras' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_counts_are_asked_for():
    with pytest.raises(ValueError, match="'ldam' needs `class_counts`"):
        get_loss("ldam")


def test_a_loss_for_other_classes_is_found_before_training():
    with pytest.raises(ValueError, match="made for 2 classes, and the predictions have 3"):
        get_loss("expected_cost", class_counts=[5, 5, 5], costs=[[0, 1], [50, 0]])


def test_label_smoothing_is_not_lost():
    arguments = {"class_counts": [90, 10], "tau": 0}
    targets, logits = np.array([[1.0, 0.0]]), np.array([[5.0, 0.0]])
    smooth = get_loss("balanced_softmax", label_smoothing=0.2, **arguments)
    plain = get_loss("cross_entropy", label_smoothing=0.2)
    assert float(smooth(targets, logits)) == pytest.approx(float(plain(targets, logits)))
    sharp = get_loss("balanced_softmax", **arguments)
    assert float(smooth(targets, logits)) > float(sharp(targets, logits)) + 0.1
