import numpy as np
import pytest

from kerasrecipes.heads.classification import ClassificationHead


def test_smoothing_is_on_where_the_loss_has_it():
    targets, sure = np.eye(2), np.array([[20.0, 0.0], [0.0, 20.0]])
    assert float(ClassificationHead().loss()(targets, sure)) == pytest.approx(1, rel=1e-3)
    assert float(ClassificationHead(label_smoothing=0).loss()(targets, sure)) < 1e-6
    robust = ClassificationHead(loss_name="generalized_cross_entropy").loss()
    assert float(robust(targets, sure)) < 1e-6


def test_the_loss_of_the_recipe():
    head = ClassificationHead(loss_name="expected_cost", loss_options={"costs": [[0, 1], [50, 0]]})
    assert head.loss(class_counts=[3, 4]).costs == [[0, 1], [50, 0]]
    with pytest.raises(ValueError, match="made for 2 classes"):
        head.loss(class_counts=[3, 4, 5])
    head = ClassificationHead(loss_name="ldam")
    assert head.loss(class_counts=[16, 1]).margins == [0.25, 0.5]
    with pytest.raises(ValueError, match="needs `class_counts`"):
        head.loss()


def test_smoothing_without_effect_is_an_error():
    with pytest.raises(ValueError, match="`label_smoothing=0.1` would have no effect"):
        ClassificationHead(label_smoothing=0.1, loss_name="generalized_cross_entropy")


def test_losses_of_other_heads_are_refused():
    with pytest.raises(ValueError, match="'arcface' works on cosines, not on logits.*another head"):
        ClassificationHead(loss_name="arcface")
