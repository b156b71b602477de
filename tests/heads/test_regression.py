"""A number per photo, from the fit to the report."""

import dataclasses

import numpy as np
import pytest

from kerasrecipes import ImageClassifier
from kerasrecipes.errors import DataError
from kerasrecipes.heads import get_task, make_head
from kerasrecipes.heads.regression import RegressionHead
from kerasrecipes.report.run_report import RunReport


@pytest.fixture(scope="module")
def sides(marked_photos, labelled):
    # In another unit, far from 0: what is trained is neither.
    return labelled([4000 + 10 * float(one) for one in marked_photos[1]], "number")


@pytest.fixture(scope="module")
def fitted(sides, head_recipe):
    recipe = head_recipe("regression", unit="lx")
    recipe.fit(*sides[:2], verbose=False)
    recipe.evaluate(sides[2])
    return recipe


@pytest.fixture(scope="module")
def saved(fitted, tmp_path_factory):
    return fitted.save(tmp_path_factory.mktemp("models") / "brightness")


def test_it_learns_and_answers_in_the_unit(fitted, sides):
    found = fitted.report_.evaluations["test"]
    assert found.mean_absolute_error.value < 0.3 * found.baseline.value
    assert found.r_squared.low > 0.8 and found.unit == "lx"
    assert "lx on average over 20 examples; always answering their mean: " in str(found)
    answers = fitted.predict(sides[2])
    assert answers.shape == (20, 1) and 4500 < answers.mean() < 6000
    assert fitted.labels_ == () and fitted.output_.unit == "lx"
    trained = fitted.model_.get_layer("standard_value").output
    assert trained.shape == (None, 1)
    curve = fitted.report_.stages[0].history["val_mean_absolute_error"]
    best = fitted.report_.stages[0].best_epoch
    val = fitted.report_.evaluations["val"]
    assert curve[best - 1] == pytest.approx(val.mean_absolute_error.value, rel=1e-3)


def test_it_comes_back_from_its_folder(fitted, saved, sides):
    again = ImageClassifier.load(saved.folder)
    np.testing.assert_array_equal(again.predict(sides[2]), fitted.predict(sides[2]))
    assert again.output_ == fitted.output_ and again.unit == "lx"
    assert RunReport.from_json(fitted.report_.to_json()) == fitted.report_
    assert again.report_ == fitted.report_
    with np.load(saved.folder / "golden" / "golden.npz") as golden:
        assert golden["answers"].shape == (20, 1) and golden["targets"].dtype == np.float64


def test_its_page_shows_numbers_in_the_unit(saved):
    names = {path.stem for path in (saved.folder / "plots").iterdir()}
    assert names == {"learning_curves", "residuals", "worst_answers"}
    page = (saved.folder / "report.html").read_text()
    assert "Root mean squared error" in page and " lx" in page
    assert "Class by class" not in page and "calibration" not in page


@pytest.mark.parametrize("loss", ["mean_absolute_error", "huber"])
def test_other_losses(loss, sides, head_recipe):
    recipe = head_recipe("regression", loss=loss)
    recipe.fit(*sides[:2], verbose=False)
    found = recipe.report_.evaluations["val"]
    assert found.mean_absolute_error.value < 0.5 * found.baseline.value


def test_numbers_are_standardised_by_the_training_side(sides):
    head = RegressionHead().suited(sides[0])
    learns = head.targets(sides[0])
    assert learns.shape == (56, 1) and learns.dtype == np.float32
    assert abs(learns.mean()) < 1e-5 and learns.std() == pytest.approx(1, abs=1e-5)
    assert abs(head.targets(sides[1]).mean()) > 1e-3


def test_a_model_that_is_trained_on_keeps_its_scale(fitted, sides):
    other = sides[0].with_items(one for one in sides[0].items if one.label > 5000)
    head = make_head("regression").suited(other, fitted.model_)
    whole = make_head("regression").suited(sides[0])
    assert (head.mean, head.spread) == (whole.mean, whole.spread)


def test_training_on(fitted, sides):
    from kerasrecipes.training.retraining import retrain

    model = fitted.model_.__class__.from_config(fitted.model_.get_config())
    model.set_weights(fitted.model_.get_weights())
    _, stage = retrain(fitted, model, *sides[:2], epochs=2, learning_rate=1e-4)
    before = fitted.report_.stages[0].history["val_loss"]
    assert stage.history["val_loss"][-1] == pytest.approx(min(before), rel=0.5)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"loss": "cross_entropy"}, "'cross_entropy' works on logits, not on numbers"),
        ({"label_smoothing": 0.1}, "head 'regression' has no option 'label_smoothing'"),
        ({"class_weights": "balanced"}, "'balanced'` would have no effect: the head 'regression'"),
        ({"loss_options": {"delta": 2}}, "'mean_squared_error' has no option 'delta'"),
    ],
)
def test_settings_without_effect_are_errors(settings, complaint, sides, head_recipe):
    with pytest.raises(ValueError, match=complaint):
        head_recipe("regression", **settings).fit(*sides[:2], verbose=False)


def test_a_unit_is_for_numbers(part_sets, quick_recipe):
    with pytest.raises(ValueError, match="head 'classification' has no option 'unit'"):
        quick_recipe(unit="mm").fit(*part_sets[:2], verbose=False)


def test_photos_without_numbers_are_refused(part_sets, sides, head_recipe):
    with pytest.raises(DataError, match=r"learns from photos with a number each.*one class each"):
        head_recipe("regression").fit(*part_sets[:2], verbose=False)
    broken = dataclasses.replace(sides[0].photos[0], label=float("nan"))
    side = sides[0].with_items([broken, *sides[0].photos[1:]])
    with pytest.raises(DataError, match="1 photos have no finite number"):
        head_recipe("regression").fit(side, sides[1], verbose=False)
    with pytest.raises(DataError, match="at least 2 different numbers"):
        head_recipe("regression").fit(sides[0].select([0]), sides[1], verbose=False)


def test_a_fitted_model_refuses_other_targets(fitted, part_sets):
    with pytest.raises(DataError, match="answers with a number each, and these photos have one"):
        fitted.evaluate(part_sets[2])


def test_answers_agree_that_differ_by_little():
    task, output = get_task("regression"), make_head("regression", unit="mm").output
    assert task.in_words(-0.1234, output(None)) == "0.123 mm" and task.shown(-0.1234) == 0.1234
    reference = np.array([[1.0], [2.0], [3.0]])
    moved = np.array([[1.01], [2.2], [np.nan]])
    assert task.agree(reference, moved, output(None)).tolist() == [True, False, False]
    worst = task.quality(np.array([1.0, 2.0]), np.array([[1.5], [np.nan]]), output(None))
    assert worst.tolist() == [-0.5, -np.inf]


def test_a_student_learns_numbers_from_a_teacher_with_another_scale(fitted, sides, student_of):
    student = student_of(fitted, sides)
    said, heard = fitted.predict(sides[2]), student.predict(sides[2])
    assert np.abs(heard - said).mean() < 0.4 * said.std()
    assert student.output_.unit == "lx"
    # Half of the photos have another mean.
    assert student.model_.get_layer("value").offset != fitted.model_.get_layer("value").offset
    history = student.report_.stages[0].history["val_mean_absolute_error"]
    assert 1 < min(history) < said.std()
