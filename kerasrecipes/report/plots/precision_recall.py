"""What finding more of a label costs in precision."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.report.plots.style import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    PLAIN_TEXT,
    new_figure,
    say_nothing,
    short_name,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHOWN = 12
_COLUMNS = 4


def plot_precision_recall(
    targets: np.ndarray,
    scores: np.ndarray,
    class_names: Sequence[str],
    thresholds: float | np.ndarray = 0.5,
) -> "Figure":
    """Draw the precision-recall curve of each label, worst first.

    Args:
        targets: Whether each label applies, 0 or 1, shape `(n, labels)`.
        scores: Probability of each label, shape `(n, labels)`.
        class_names: The labels, in the order of the scores.
        thresholds: Score from which on an example is named so, one for all or shape `(labels,)`.

    Returns:
        The figure, four panels in a row and twelve at most, of labels that some examples have;
        the dashed line is what chance would reach, the point is the threshold.
    """
    from sklearn.metrics import average_precision_score

    targets, scores = np.asarray(targets).astype(bool), np.asarray(scores, dtype=float)
    limits = np.broadcast_to(thresholds, scores.shape[1:])
    known = [i for i in range(scores.shape[1]) if targets[:, i].any()]
    values = {i: average_precision_score(targets[:, i], scores[:, i]) for i in known}
    shown = sorted(known, key=values.__getitem__)[:_SHOWN]
    if not shown:
        figure = new_figure(6, 1.6)
        say_nothing(figure, "No example has a label.")
        return figure
    columns, rows = min(_COLUMNS, len(shown)), math.ceil(len(shown) / _COLUMNS)
    figure = new_figure(2.75 * columns, 2.75 * rows + 0.3)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes in grid.ravel()[len(shown) :]:
        axes.set_axis_off()
    for place, i in enumerate(shown):
        axes = grid.ravel()[place]
        # A panel above an empty place has to name the axis itself.
        bottom = place + columns >= len(shown)
        tidy(axes, "", "found (recall)" if bottom else "", "" if place % columns else "precision")
        axes.tick_params(labelbottom=bottom)
        _title(axes, class_names[i], f"average precision {values[i]:.2f}, {targets[:, i].sum():,}×")
        _draw_curve(axes, targets[:, i], scores[:, i], limits[i])
    note = {"fontsize": 9, "color": MUTED, "style": "italic"}
    grid[0, 0].text(0, targets[:, shown[0]].mean() + 0.015, "by chance", va="bottom", **note)
    return figure


def _title(axes: "Axes", name: str, facts: str) -> None:
    axes.set_title(
        short_name(name, 24), loc="left", fontsize=10.5, fontweight="bold", color=INK, pad=19,
        **PLAIN_TEXT,
    )  # fmt: skip
    axes.text(0, 1.035, facts, transform=axes.transAxes, fontsize=9, color=MUTED, va="bottom")


def _draw_curve(axes: "Axes", target: np.ndarray, score: np.ndarray, limit: float) -> None:
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(target, score)
    axes.axhline(target.mean(), color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.step(recall, precision, where="post", color=BLUE, linewidth=2)
    named = score >= limit
    if named.any():
        right = (named & target).sum()
        point = (right / target.sum(), right / named.sum())
        axes.plot(*point, "o", color=ORANGE, markersize=7, markeredgecolor="white", zorder=3)
        # There is room below a curve, and above it where it begins.
        below = point[0] > 0.35
        axes.annotate(
            f"from {limit:.2f}", point, (0, -7 if below else 6), textcoords="offset points",
            fontsize=9, fontweight="bold", color=ORANGE, va="top" if below else "bottom",
            ha="right" if below else "left", bbox={"color": "white", "alpha": 0.7, "pad": 0.5},
        )  # fmt: skip
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.05), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.yaxis.set_major_formatter("{x:.0%}")
    for tick, side in zip(axes.xaxis.get_major_ticks(), ("left", "center", "right"), strict=True):
        tick.label1.set(ha=side)
