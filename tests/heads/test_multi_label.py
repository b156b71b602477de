"""Several labels per photo, from the fit to the report."""

from dataclasses import replace

import numpy as np
import pytest

from kerasrecipes import ImageClassifier
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import DataError
from kerasrecipes.evaluation.multi_label import best_thresholds
from kerasrecipes.heads import get_task
from kerasrecipes.report.run_report import RunReport

LABELS = ("bar", "dot", "edge")


@pytest.fixture(scope="module")
def sides(marked_photos, labelled):
    return labelled(marked_photos[2], "labels", LABELS)


@pytest.fixture(scope="module")
def fitted(sides, head_recipe):
    recipe = head_recipe("multi_label")
    recipe.fit(*sides[:2], verbose=False)
    recipe.evaluate(sides[2])
    return recipe


@pytest.fixture(scope="module")
def saved(fitted, tmp_path_factory):
    return fitted.save(tmp_path_factory.mktemp("models") / "marks")


def test_it_learns(fitted, sides):
    found = fitted.report_.evaluations["test"]
    assert found.mean_average_precision.value > found.baseline.value + 0.3
    assert found.class_names == LABELS == fitted.labels_
    assert "every label right: " in str(found)
    scores = fitted.predict(sides[2])
    assert scores.shape == (20, 3) and 0 <= scores.min() <= scores.max() <= 1
    assert len({round(float(total), 3) for total in scores.sum(axis=1)}) > 1


def test_thresholds_are_chosen_on_val_and_used_elsewhere(fitted, sides):
    _, val, test = sides
    targets = get_task("multi_label").targets(val, fitted.output_)
    chosen = best_thresholds(targets, fitted.predict(val))
    assert fitted.output_.thresholds == tuple(chosen) and len(set(chosen)) > 1
    measured = {found.name: found for found in fitted.report_.evaluations["test"].labels}
    scores = fitted.predict(test)
    for i, name in enumerate(LABELS):
        assert measured[name].threshold == chosen[i]
        named = scores[:, i] >= chosen[i]
        has = np.array([name in photo.label for photo in test.photos])
        assert measured[name].recall.value == pytest.approx(named[has].mean())
    told = "Thresholds were chosen on these examples"
    assert told in str(fitted.report_.evaluations["val"])
    assert told not in str(fitted.report_.evaluations["test"])


def test_it_comes_back_from_its_folder(fitted, saved, sides):
    again = ImageClassifier.load(saved.folder)
    np.testing.assert_array_equal(again.predict(sides[2]), fitted.predict(sides[2]))
    assert again.output_ == fitted.output_ and saved.output.thresholds
    assert RunReport.from_json(fitted.report_.to_json()) == fitted.report_ == again.report_


def test_photos_are_counted_once(fitted, saved, sides):
    data = fitted.report_.data
    assert data.total("train") == 56 != sum(data.counts["train"].values())
    assert "Photos: 56 train, 20 val, 20 test" in str(fitted.report_)


def test_its_page_shows_labels(saved):
    names = {path.stem for path in (saved.folder / "plots").iterdir()}
    assert names == {"learning_curves", "precision_recall", "worst_answers"}
    page = (saved.folder / "report.html").read_text()
    assert "Labels, worst first" in page and "Class by class" not in page


def test_a_yes_may_count_more(fitted, sides, head_recipe):
    options = {"positive_weights": [30.0, 1.0, 1.0]}
    recipe = head_recipe("multi_label", loss_options=options)
    recipe.fit(*sides[:2], verbose=False)
    assert recipe.predict(sides[2])[:, 0].mean() > fitted.predict(sides[2])[:, 0].mean() + 0.02


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"loss": "cross_entropy"}, "'cross_entropy' works on logits, not on binary"),
        ({"class_weights": "sqrt"}, "'sqrt'` would have no effect: the head 'multi_label' learns"),
        ({"loss_options": {"positive_weights": [1.0]}}, "made for 1 classes.*have 3"),
        ({"loss_options": {"positive_weights": [1, 0, 1]}}, "`positive_weights` must be a number"),
    ],
)
def test_settings_without_effect_are_errors(settings, complaint, sides, head_recipe):
    with pytest.raises(ValueError, match=complaint):
        head_recipe("multi_label", **settings).fit(*sides[:2], verbose=False)


def test_mixtures_and_smoothing_work(sides, head_recipe):
    recipe = head_recipe("multi_label", mix="mixup", label_smoothing=0.1)
    recipe.fit(*sides[:2], verbose=False)
    found = recipe.report_.evaluations["val"]
    assert found.mean_average_precision.value > found.baseline.value


def test_photos_with_one_class_are_refused(part_sets, fitted, sides, head_recipe):
    with pytest.raises(DataError, match="learns from photos with several labels each: a table"):
        head_recipe("multi_label").fit(*part_sets[:2], verbose=False)
    with pytest.raises(DataError, match=r"learns from photos with one class.*'multi_label'"):
        head_recipe("classification").fit(*sides[:2], verbose=False)
    with pytest.raises(DataError, match="answers with several labels each, and these photos have"):
        fitted.evaluate(part_sets[2])
    other = sides[2].photos[0]
    side = sides[2].with_items([replace(other, label=("bar", "scar"))])
    with pytest.raises(DataError, match="does not know the classes 'scar'"):
        fitted.evaluate(side)


def test_labels_are_given_from_their_thresholds_on():
    task = get_task("multi_label")
    named = {"name": "scores", "task": "multi_label", "class_names": LABELS}
    output = OutputSpec(**named, thresholds=(0.9, 0.2, 0.5))
    answer = task.decode(np.array([0.8, 0.3, 0.6]), output)
    assert answer.labels == ("edge", "dot") and answer.label == "edge, dot"
    assert answer.score == 0.3 and list(answer.scores) == ["bar", "edge", "dot"]
    assert task.decode(np.array([0.1, 0.1, 0.1]), output).labels == ()
    assert task.decode(np.array([0.8, 0.3, 0.6]), OutputSpec(**named)).labels == ("bar", "edge")
    targets, answers = np.array([[0, 1, 1]]), np.array([[0.8, 0.3, 0.4]])
    assert task.quality(targets, answers, output) == pytest.approx([2 / 3])
    assert not task.agree(np.array([[0.8, 0.3, 0.6]]), answers, output)[0]
    assert task.agree(np.array([[0.1, 0.9, 0.1]]), answers, output)[0]
    assert task.in_words(2 / 3, output) == "66.7%"


def test_a_student_learns_each_label_from_a_teacher(fitted, sides, student_of):
    student = student_of(fitted, sides)
    said, heard = fitted.predict(sides[2]), student.predict(sides[2])
    assert np.corrcoef(said.ravel(), heard.ravel())[0, 1] > 0.8
    found = student.report_.evaluations["val"]
    assert found.mean_average_precision.value > found.baseline.value + 0.2
    assert "val_label_accuracy" in student.report_.stages[0].history
    assert student.report_.optimization[0]["options"]["answers"] == "sigmoid"
    assert student.seen_.keys() >= {photo.key for photo in sides[0].photos}
