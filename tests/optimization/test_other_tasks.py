"""Making files small whose answers are numbers or several labels: judged by their own task."""

from dataclasses import replace

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.heads.regression import RegressionHead

SIDE = 24


@pytest.fixture(scope="module")
def number_sets(part_sets):
    """The parts, with a number for each kind in place of its name."""
    numbers = {"dot": 10.0, "plain": 20.0, "stripe": 30.0}

    def numbered(photos):
        items = (replace(one, label=numbers[one.label]) for one in photos.photos)
        return replace(photos, photos=tuple(items), class_names=(), target="number")

    return [numbered(side) for side in part_sets]


@pytest.fixture(scope="module")
def measured(small_backbone, number_sets):
    train, val, _ = number_sets
    schedule = kr.UnfreezeSchedule.full(epochs=16, learning_rate=0.01)
    recipe = kr.ImageClassifier(
        small_backbone, image_size=(SIDE, SIDE), schedule=schedule, views=2, batch_size=8,
        batch_norm="train", head=HEAD,
    )  # fmt: skip
    recipe.fit(train, val, verbose=False)
    return recipe


HEAD = "regression"


def test_an_int8_file_of_numbers_answers_and_is_measured(measured, number_sets, tmp_path):
    train, _, test = number_sets
    small = kr.quantize(measured, "int8", train=train, verbose=False)
    answers = small.predict(test)
    assert answers.shape == (len(test), 1)
    gaps = np.abs(answers - measured.predict(test))
    assert gaps.max() < 0.25 * measured.predict(test).std()
    found = small.evaluate(test)
    assert found.to_dict()["n"] == len(test)
    bundle = small.save(tmp_path / "numbers")
    (record,) = bundle.exports().values()
    assert record.verification["task"] == "regression"


@pytest.mark.proof
def test_a_search_judges_by_the_error(measured, number_sets, tmp_path):
    train, val, _ = number_sets
    found = kr.optimize(measured, train, val, max_size_mb=10, max_drop=0.5, verbose=False)
    assert found.pick is not None
    first = found.candidates[0]
    assert first.task == "regression" and first.accuracy < 0 and first.drop == 0
    assert first.recalls == () and first.worst_class == "" and first.drop_unit > 0
    assert "mean absolute error" in str(found) and "of how far the numbers spread" in str(found)
    bundle = found.save(tmp_path / "searched")
    assert bundle.exports()


def test_teachers_and_students_must_answer_the_same(measured, number_sets):
    train, val, _ = number_sets
    with pytest.raises(ValueError, match="'tfmot' passes on the probabilities of classes"):
        kr.quantize(measured, "qat", engine="tfmot")
    student = kr.ImageClassifier("mobilenet_v3_small", weights=None)
    complaint = "task 'regression' asks, .*'classification' learns .* head='regression'"
    with pytest.raises(ValueError, match=complaint):
        kr.optimize(measured, train, val, students=[student])
    with pytest.raises(ValueError, match=complaint):
        kr.distil(measured, student, train, val)
    student = kr.ImageClassifier("mobilenet_v3_small", weights=None, head="regression")
    with pytest.raises(ValueError, match="`temperature=2.0` would have no effect: numbers are"):
        kr.distil(measured, student, train, val, temperature=2.0)


def test_the_head_is_the_one_that_was_asked_for(measured):
    assert measured.output_.task == RegressionHead.task.name
