"""Pictures: they draw, whatever the classes are called, and touch no global state."""

import io
import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
from PIL import Image

from kerasrecipes.report.plots import classification as plots
from kerasrecipes.report.run_report import RunReport, StageReport


def drawn(figure):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = Image.open(io.BytesIO(plots.png(figure)))
    assert picture.format == "PNG" and min(picture.size) > 150
    np.testing.assert_allclose(picture.size, figure.get_size_inches() * 144, atol=1)
    assert figure.dpi == 100  # as before
    # Something is on it.
    assert np.asarray(picture.convert("L")).std() > 1
    return picture


def texts(figure):
    from matplotlib.text import Text

    return [text for text in figure.findobj(Text) if text.get_text()]


def test_learning_curves_mark_stages_and_kept_epochs(report):
    figure = plots.plot_learning_curves(report)
    drawn(figure)
    written = [text.get_text().strip() for text in texts(figure)]
    assert written.count("head") == 2 and written.count("top") == 2
    # The second stage was no better than its start: only the first has a kept epoch.
    assert written.count("kept") == 2
    assert any(text.startswith("validation") for text in written)
    # One stage border in each panel.
    borders = [line for axes in figure.axes for line in axes.lines if line.get_xdata()[0] == 2.5]
    assert len(borders) == 2


def test_learning_curves_of_one_epoch_of_nothing_and_of_nan():
    blank = RunReport(name="a", created="")
    drawn(plots.plot_learning_curves(blank))
    history = {"loss": [math.nan], "val_loss": [math.nan]}
    stage = StageReport("$x$", 1, 1, 1, 1e-3, 1, 1, history=history)
    drawn(plots.plot_learning_curves(RunReport(name="a", created="", stages=[stage])))
    stage = StageReport("one", 1, 1, 1, 1e-3, 1, 1, history={"loss": [1.0], "val_loss": [2.0]})
    drawn(plots.plot_learning_curves(RunReport(name="a", created="", stages=[stage])))


def test_of_many_classes_those_with_most_mistakes_are_drawn():
    from kerasrecipes.evaluation.classification import evaluate_scores

    names, labels = [f"c{i:03}" for i in range(300)], np.arange(600) % 300
    said = np.where((labels >= 270) | (labels == 5), 7, labels)
    scores = np.where(said[:, None] == np.arange(300), 0.9, 0.1 / 299)
    figure = plots.plot_confusion_matrix(evaluate_scores(labels, scores, names))
    (axes,) = figure.axes
    assert axes.get_title(loc="left").endswith(": the 40 of 300 classes with most mistakes")
    shown = [label.get_text() for label in axes.get_yticklabels()]
    assert len(shown) == 40 and {"c005", "c007", *names[270:]} <= set(shown)


def test_confusion_matrix_shows_the_counts(report):
    figure = plots.plot_confusion_matrix(report.evaluations["test"])
    drawn(figure)
    written = {text.get_text() for text in texts(figure)}
    assert {str(n) for row in report.evaluations["test"].confusion for n in row} <= written


@pytest.mark.parametrize("classes", [2, 7, 20])
def test_all_pictures_draw_for_any_number_of_classes(classes, make_scores):
    from kerasrecipes.evaluation.classification import evaluate_scores

    labels, scores = make_scores(classes)
    names = [f"class {i}" for i in range(classes)]
    drawn(plots.plot_confusion_matrix(evaluate_scores(labels, scores, names)))
    drawn(plots.plot_reliability(labels, scores))


def test_hostile_names_are_drawn_as_text(hostile_report):
    figure = plots.plot_confusion_matrix(hostile_report.evaluations["test"])
    drawn(figure)
    dollars = [text for text in texts(figure) if "$" in text.get_text()]
    assert dollars and not any(text.get_parse_math() for text in dollars)
    assert not any("\u202e" in text.get_text() for text in texts(figure))


def test_reliability_of_a_sure_model_and_of_one_photo():
    drawn(plots.plot_reliability([0, 1], [[1.0, 0.0], [0.0, 1.0]]))
    drawn(plots.plot_reliability([0], [[0.2, 0.8]]))


@pytest.mark.parametrize("count", [0, 1, 4, 9])
def test_mistakes(count):
    photos = [np.full((30, 40, 3), 20 * i, np.uint8) for i in range(count)]
    drawn(plots.plot_mistakes(photos, [r"is $\frac$" + "\nsaid <b> 😀"] * count))


def test_every_photo_needs_a_title():
    with pytest.raises(ValueError, match=r"Received: 1 photos and 0 titles"):
        plots.plot_mistakes([np.zeros((2, 2, 3), np.uint8)], [])


def test_no_pyplot_and_no_heavy_import_at_module_level():
    code = """
import sys
import kerasrecipes.report.html, kerasrecipes.evaluation.classification
from kerasrecipes.report.plots import classification as plots
heavy = {"matplotlib", "sklearn", "scipy", "tensorflow", "keras", "jinja2"} & set(sys.modules)
assert not heavy, heavy
import numpy as np
plots.png(plots.plot_mistakes([], []))
assert "matplotlib.pyplot" not in sys.modules
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
