"""How far off the numbers of a regression are, and where."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.report.plots.style import (
    BLUE,
    MUTED,
    ORANGE,
    PLAIN_TEXT,
    new_figure,
    short_name,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Examples from which on a trend of the residuals is more than chance, and in how many parts.
_ENOUGH, _PARTS = 50, 8


def plot_residuals(targets: np.ndarray, answers: np.ndarray, unit: str = "") -> "Figure":
    """Draw what a model says, and what it is off by, against what is true.

    Args:
        targets: True numbers, shape `(n,)`.
        answers: What the model says, shape `(n,)`.
        unit: Unit of both, e.g. `"mm"`.

    Returns:
        The figure, two panels with the same horizontal axis. A line through the residuals shows
        their mean in parts of equally many examples, with its standard error.
    """
    targets, answers = np.asarray(targets, dtype=float), np.asarray(answers, dtype=float)
    figure = new_figure(10.4, 4.4)
    left, right = figure.subplots(1, 2)
    of = f", {short_name(unit, 16)}" if unit else ""
    tidy(left, "What it says against what is true", f"true{of}", f"answer{of}")
    tidy(right, "What it is off by", f"true{of}", f"answer − truth{of}")
    for axes in (left, right):
        for label in (axes.xaxis.label, axes.yaxis.label):
            label.set(**PLAIN_TEXT)
    # Many points would hide where they are dense.
    many = float(np.clip(np.sqrt(len(targets)) / 10, 1.3, 25))
    points = {"linestyle": "none", "marker": "o", "color": BLUE, "markeredgewidth": 0}
    points |= {"markersize": 5 / many**0.25, "alpha": 1 / many}
    left.plot(targets, answers, **points)
    right.plot(targets, answers - targets, **points)
    _draw_truth(left, targets, answers)
    right.axhline(0, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
    right.set_xlim(*left.get_xlim())
    if len(targets) >= _ENOUGH and np.ptp(targets) > 0:
        _draw_trend(right, targets, answers - targets)
    return figure


def _draw_truth(axes: "Axes", targets: np.ndarray, answers: np.ndarray) -> None:
    ends = np.array([min(targets.min(), answers.min()), max(targets.max(), answers.max())])
    margin = 0.04 * (np.ptp(ends) or 1.0)
    ends += [-margin, margin]
    axes.plot(ends, ends, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), zorder=3)
    axes.set(xlim=ends, ylim=ends)
    span = np.ptp(ends)
    note: dict[str, Any] = {"fontsize": 9, "color": MUTED, "style": "italic"}
    axes.text(ends[0] + 0.03 * span, ends[1] - 0.03 * span, "too high", va="top", **note)
    axes.text(ends[1] - 0.03 * span, ends[0] + 0.03 * span, "too low", ha="right", **note)


def _draw_trend(axes: "Axes", targets: np.ndarray, residuals: np.ndarray) -> None:
    """Draw the mean residual of equally large parts of the examples, by their true number."""
    parts = np.array_split(np.argsort(targets, kind="stable"), _PARTS)
    places = [targets[part].mean() for part in parts]
    means = np.array([residuals[part].mean() for part in parts])
    errors = [residuals[part].std(ddof=1) / np.sqrt(len(part)) for part in parts]
    style: dict[str, Any] = {"color": ORANGE, "linewidth": 2, "marker": "o", "markersize": 5}
    axes.errorbar(places, means, yerr=errors, capsize=0, elinewidth=2, **style)
    axes.annotate(
        "mean", (places[-1], means[-1]), (8, 0), textcoords="offset points", fontsize=9.5,
        fontweight="bold", color=ORANGE, va="center",
        bbox={"color": "white", "alpha": 0.7, "pad": 0.5},
    )  # fmt: skip
