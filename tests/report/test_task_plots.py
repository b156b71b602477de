"""Pictures of regressions and of several labels: they draw, and show what they say they show."""

import numpy as np
import pytest
from matplotlib.text import Text
from sklearn.metrics import average_precision_score

from kerasrecipes.report.plots.precision_recall import plot_precision_recall
from kerasrecipes.report.plots.residuals import plot_residuals
from kerasrecipes.report.plots.style import png


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def curves(axes):
    return [line for line in axes.lines if len(line.get_xdata()) > 2]


@pytest.fixture
def numbers():
    rng = np.random.default_rng(0)
    targets = rng.gamma(3, 2, 400)
    return targets, 0.8 * targets + 1 + rng.normal(0, 0.5, 400)


@pytest.fixture
def labels():
    rng = np.random.default_rng(0)
    targets = (rng.random((200, 15)) < np.linspace(0.1, 0.6, 15)).astype(int)
    return targets, 1 / (
        1 + np.exp(1 - 2 * targets * np.linspace(0, 2, 15) - rng.normal(size=(200, 15)))
    )


def test_residuals_are_answers_less_truths(numbers):
    targets, answers = numbers
    figure = plot_residuals(targets, answers, unit="mm")
    said, off = figure.axes
    assert any(np.array_equal(line.get_ydata(), answers) for line in said.lines)
    assert any(np.array_equal(line.get_ydata(), answers - targets) for line in off.lines)
    assert said.get_xlim() == said.get_ylim() == off.get_xlim()
    assert {"true, mm", "answer, mm", "answer − truth, mm", "mean"} <= set(texts(figure))
    assert len(png(figure)) > 10_000


def test_the_trend_of_the_residuals_is_their_mean_by_parts(numbers):
    targets, answers = numbers
    off = plot_residuals(targets, answers).axes[1]
    (trend,) = [line for line in curves(off) if len(line.get_xdata()) == 8]
    assert trend.get_ydata()[0] > 0.3 and trend.get_ydata()[-1] < -0.5
    assert trend.get_ydata().mean() == pytest.approx((answers - targets).mean())


@pytest.mark.parametrize("n", [1, 2, 49, 60])
def test_residuals_of_few_or_equal_numbers_have_no_trend(n):
    figure = plot_residuals(np.full(n, 3.0), np.full(n, 3.0), unit=r"$\frac{")
    assert "mean" not in texts(figure)
    assert len(png(figure)) > 5000
    assert not any(text.get_parse_math() for text in figure.findobj(Text) if "$" in text.get_text())


def test_precision_and_recall_of_the_worst_labels_first(labels):
    targets, scores = labels
    figure = plot_precision_recall(targets, scores, [f"label {i}" for i in range(15)])
    drawn = [axes for axes in figure.axes if axes.axison]
    values = [average_precision_score(targets[:, i], scores[:, i]) for i in range(15)]
    expected = [f"label {i}" for i in np.argsort(values)[:12]]
    assert [axes.get_title(loc="left") for axes in drawn] == expected
    assert f"average precision {min(values):.2f}" in " ".join(texts(figure))
    assert len(png(figure)) > 10_000


def test_the_point_is_at_the_threshold_of_its_label(labels):
    targets, scores = labels[0][:, [3, 9]], labels[1][:, [3, 9]]
    figure = plot_precision_recall(targets, scores, ["a", "b"], thresholds=[0.3, 0.6])
    found = {}
    for axes in figure.axes:
        (point,) = [line for line in axes.lines if line.get_marker() == "o"]
        found[axes.get_title(loc="left")] = (point.get_xdata()[0], point.get_ydata()[0])
        assert any(  # it lies on the curve
            np.allclose(pair, (point.get_xdata()[0], point.get_ydata()[0]))
            for pair in zip(*curves(axes)[0].get_data(), strict=True)
        )
    named, target = scores[:, 1] >= 0.6, targets[:, 1] == 1
    expected = (named & target).sum() / target.sum(), (named & target).sum() / named.sum()
    assert found["b"] == pytest.approx(expected)
    assert {"from 0.30", "from 0.60", "by chance"} <= set(texts(figure))


def test_labels_without_examples_are_left_out_and_names_are_text(labels):
    targets, scores = labels[0][:, :2].copy(), labels[1][:, :2]
    targets[:, 0] = 0
    figure = plot_precision_recall(targets, scores, ["none", "$x$"], thresholds=1.0)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["$x$"]
    assert not any(text.get_parse_math() for text in figure.findobj(Text) if "$" in text.get_text())
    assert len(png(figure)) > 5000
    assert "No example has a label." in texts(
        plot_precision_recall(0 * targets, scores, ["a", "b"])
    )
