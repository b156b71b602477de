"""Classes with an order, from the fit to the report."""

import numpy as np
import pytest

from kerasrecipes import ImageClassifier
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import DataError
from kerasrecipes.heads import get_task
from kerasrecipes.heads.ordinal import OrdinalHead, ordered_classes
from kerasrecipes.report.run_report import RunReport

# As text, 10 comes before 2.
DEGREES = ("10", "2", "30", "5")
ORDER = ("2", "5", "10", "30")


@pytest.fixture(scope="module")
def degrees(marked_photos):
    return [ORDER[int((one - 60) // 32.5)] for one in marked_photos[1]]


@pytest.fixture(scope="module")
def sides(degrees, labelled):
    return labelled(degrees, "class", DEGREES)


@pytest.fixture(scope="module")
def fitted(sides, head_recipe):
    recipe = head_recipe("ordinal")
    recipe.fit(*sides[:2], verbose=False)
    recipe.evaluate(sides[2])
    return recipe


@pytest.fixture(scope="module")
def saved(fitted, tmp_path_factory):
    return fitted.save(tmp_path_factory.mktemp("models") / "degrees")


def test_it_learns(fitted, sides):
    found = fitted.report_.evaluations["test"]
    assert found.mean_absolute_error.value < 0.6 * found.baseline.value
    assert found.quadratic_kappa.value > 0.6 and found.within_one.value > 0.9
    assert min(one.recall.value for one in found.classes) > 0.2
    assert found.class_names == ORDER == fitted.labels_
    scores = fitted.predict(sides[2])
    assert scores.shape == (20, 4) and scores.min() >= 0
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    truth = [float(photo.label) for photo in sides[2].photos]
    assert np.corrcoef(scores @ [0, 1, 2, 3], np.log(truth))[0, 1] > 0.8


def test_all_steps_look_at_the_same_number(fitted):
    kernel, bias = fitted.model_.get_layer("steps").get_weights()
    np.testing.assert_allclose(kernel, 1, atol=1e-5)
    assert kernel.shape == (1, 3) and (np.diff(bias) < 0).all()


def test_it_comes_back_from_its_folder(fitted, saved, sides):
    again = ImageClassifier.load(saved.folder)
    np.testing.assert_array_equal(again.predict(sides[2]), fitted.predict(sides[2]))
    assert again.output_ == fitted.output_ and saved.output.class_names == ORDER
    assert RunReport.from_json(fitted.report_.to_json()) == fitted.report_ == again.report_
    again.evaluate(sides[2].select(range(5)))


def test_its_page_shows_degrees(saved):
    names = {path.stem for path in (saved.folder / "plots").iterdir()}
    assert names == {"learning_curves", "confusion_matrix", "worst_answers"}
    page = (saved.folder / "report.html").read_text()
    assert "Classes, in order" in page and "Quadratic kappa" in page


def test_steps_that_contradict_each_other_are_put_right():
    import keras

    from kerasrecipes.heads.ordinal import class_probabilities

    for width in (2, 3, 6):
        steps = keras.Input((width - 1,))
        model = keras.Model(steps, class_probabilities(steps, width, "scores"))
        logits = np.random.default_rng(0).normal(0, 3, (200, width - 1))
        found = model.predict(logits, verbose=0)
        above = 1 / (1 + np.exp(-logits))
        ordered = np.maximum.accumulate(above[:, ::-1], axis=1)[:, ::-1]
        ends = np.ones((200, 1))
        expected = -np.diff(np.hstack([ends, ordered, 0 * ends]), axis=1)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_before_training_all_classes_are_as_likely():
    import keras

    features = keras.Input((2, 2, 3))
    model = keras.Model(features, OrdinalHead().build(features, 5, seed=0))
    np.testing.assert_allclose(model.predict(np.zeros((1, 2, 2, 3)), verbose=0), 0.2, atol=1e-6)


def test_targets_are_the_steps_below(sides):
    learns = OrdinalHead().targets(sides[0])
    for row, photo in zip(learns, sides[0].photos, strict=True):
        assert row.sum() == ORDER.index(photo.label) and (np.diff(row) <= 0).all()


def test_the_order_must_be_known(sides, degrees, labelled, head_recipe):
    assert ordered_classes(sides[0]) == ORDER
    words = dict(zip(ORDER, ("low", "medium", "high", "extreme"), strict=True))
    named = [words[one] for one in degrees]
    by_letter = labelled(named, "class", tuple(sorted(words.values())))
    with pytest.raises(DataError, match="Nobody said the order of the classes 'extreme', 'high'"):
        head_recipe("ordinal").fit(*by_letter[:2], verbose=False)
    given = labelled(named, "class", tuple(words.values()), ordered=True)
    assert ordered_classes(given[0]) == tuple(words.values())
    numbered = {one: f"{i}_{words[one]}" for i, one in enumerate(ORDER)}
    begun = labelled([numbered[one] for one in degrees], "class", tuple(numbered.values()))
    assert ordered_classes(begun[0]) == tuple(numbered.values())


def test_it_goes_with_mixtures_smoothing_averages_and_class_weights(sides, head_recipe):
    settings = {"mix": "mixup", "label_smoothing": 0.1, "ema": True}
    recipe = head_recipe("ordinal", class_weights="balanced", **settings)
    recipe.fit(*sides[:2], verbose=False)
    found = recipe.report_.evaluations["val"]
    assert found.mean_absolute_error.value < found.baseline.value


def test_a_scan_takes_the_order(part_photos):
    from kerasrecipes import scan_photos

    with pytest.raises(DataError, match="Nobody said the order of the classes"):
        ordered_classes(scan_photos(part_photos))
    photos = scan_photos(part_photos, classes=("plain", "dot", "stripe"))
    assert ordered_classes(photos) == ("plain", "dot", "stripe")
    assert ordered_classes(photos.select([0, 1])) == ("plain", "dot", "stripe")


def test_other_targets_are_refused(marked_photos, labelled, head_recipe):
    numbers = labelled([float(one) for one in marked_photos[1]], "number")
    with pytest.raises(DataError, match=r"'ordinal'` learns from photos with one class.*regress"):
        head_recipe("ordinal").fit(*numbers[:2], verbose=False)


def test_answers_are_off_by_classes():
    task = get_task("ordinal")
    output = OutputSpec(name="scores", task="ordinal", class_names=ORDER)
    answers = np.array([[0.1, 0.2, 0.7, 0], [0.1, 0.2, 0.7, 0], [np.nan] * 4])
    quality = task.quality(np.array([2, 0, 1]), answers, output)
    assert quality.tolist() == [0, -2, -3]
    assert task.in_words(quality.mean(), output) == "1.67 classes"
    assert task.decode(answers[0], output).label == "10"
    spread = np.array([0.4, 0.15, 0.15, 0.3])
    said = task.decode(spread, output)
    assert (said.label, said.score, next(iter(said.scores))) == ("5", 0.15, "2")
    assert task.agree(spread[None], answers[:1], output).tolist() == [False]


def test_a_student_learns_the_steps_from_a_teacher(fitted, sides, student_of):
    student = student_of(fitted, sides)
    said, heard = (one.predict(sides[2]) @ [0, 1, 2, 3] for one in (fitted, student))
    assert np.corrcoef(said, heard)[0, 1] > 0.8
    found = student.report_.evaluations["val"]
    assert found.mean_absolute_error.value < 0.7 * found.baseline.value
    assert student.labels_ == ORDER
