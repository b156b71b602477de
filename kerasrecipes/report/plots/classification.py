"""Pictures about one fit; each function returns a matplotlib `Figure`, `png` turns it to bytes."""

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.errors import printable
from kerasrecipes.evaluation.classification import Evaluation
from kerasrecipes.evaluation.scores import group_numbers
from kerasrecipes.report.plots.curves import plot_learning_curves
from kerasrecipes.report.plots.style import (
    BLUE,
    INK,
    MUTED,
    PLAIN_TEXT,
    name_ticks,
    new_figure,
    png,
    say_nothing,
    short_name,
    tidy,
)
from kerasrecipes.statistics.shares import share_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kerasrecipes.evaluation.ordinal import OrdinalEvaluation

_MOST_CLASSES = 40

__all__ = [
    "plot_confusion_matrix",
    "plot_learning_curves",
    "plot_mistakes",
    "plot_reliability",
    "png",
]


def plot_confusion_matrix(evaluation: "Evaluation | OrdinalEvaluation") -> "Figure":
    """Draw what each class was taken for; shades are shares of the true class.

    Of more than 40 classes those with most mistakes are drawn.

    Args:
        evaluation: The result of a test.

    Returns:
        The figure.
    """
    counts = np.array(evaluation.confusion, dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [short_name(name, 18) for name in evaluation.class_names]
    title = "What was taken for what"
    if len(names) > _MOST_CLASSES:
        title += f": the {_MOST_CLASSES} of {len(names):,} classes with most mistakes"
        wrong = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diagonal(counts)
        chosen = np.sort(np.argsort(-wrong, kind="stable")[:_MOST_CLASSES])
        counts, shares = (table[np.ix_(chosen, chosen)] for table in (counts, shares))
        names = [names[i] for i in chosen]
    classes = len(counts)
    side = min(3.4 + 0.34 * classes, 14)
    figure = new_figure(side + 1.2, side)
    axes = figure.subplots()
    tidy(axes, title, "the model says", "the photo shows")
    axes.grid(False)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.15, aspect="equal")
    size = 10 if classes <= 8 else max(6, 10.5 - 0.1 * classes)
    name_ticks(axes, names, "y", size, turn=0)
    name_ticks(axes, names, "x", size, turn=40 if classes > 2 or max(map(len, names)) > 12 else 0)
    for edge in np.arange(0.5, classes - 1):
        axes.axhline(edge, color="white", linewidth=2)
        axes.axvline(edge, color="white", linewidth=2)
    for (i, j), count in np.ndenumerate(counts):
        _write_cell(axes, i, j, count, shares[i, j], classes)
    axes.spines["bottom"].set_visible(False)
    return figure


def plot_reliability(
    labels: np.ndarray,
    scores: np.ndarray,
    bins: int = 15,
    *,
    groups: Sequence[str | None] | None = None,
) -> "Figure":
    """Draw how often the model is right against how sure it is.

    Args:
        labels: True class indices, shape `(n,)`.
        scores: Class probabilities, shape `(n, classes)`.
        bins: Number of equally wide bins of confidence.
        groups: What each photo belongs to; intervals then go by groups.

    Returns:
        The figure: shares of right answers with 95 % intervals, and photos per bin.
    """
    scores = np.asarray(scores, dtype=float)
    confidence, correct = scores.max(axis=1), scores.argmax(axis=1) == np.asarray(labels)
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    places = group_numbers(groups, len(correct))
    figure = new_figure(5.4, 5.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    tidy(upper, "Is it as sure as it is right?", "", "share that is right")
    tidy(lower, "", "how sure the model is (highest score)", "photos")
    upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
    for i in np.unique(place):
        members = place == i
        share = share_of(correct[members], None if places is None else places[members])
        x, n = confidence[members].mean(), int(members.sum())
        upper.plot(
            [x, x],
            (share.low, share.high),
            color=BLUE,
            linewidth=2,
            alpha=0.45,
            solid_capstyle="round",
        )
        upper.plot(x, share.value, "o", color=BLUE, markersize=6, markeredgecolor="white")
        lower.bar((i + 0.5) / bins, n, width=0.86 / bins, color=BLUE, alpha=0.75)
    # Top-1 confidence cannot be lower than 1 / classes.
    left = max(0.0, math.floor(10 / scores.shape[1]) / 10 - 0.05)
    upper.set(xlim=(left, 1.02), ylim=(-0.03, 1.03))
    span = 1.02 - left
    note = {"fontsize": 9, "color": MUTED, "style": "italic"}
    upper.text(left + 0.03 * span, 0.97, "too modest", va="top", **note)
    upper.text(1.0, 0.02, "too sure", ha="right", **note)
    return figure


def plot_mistakes(photos: Sequence[np.ndarray | str], titles: Sequence[str]) -> "Figure":
    """Show photos with a caption each.

    Args:
        photos: uint8 arrays of shape `(height, width, 3)` or `(height, width)`; or texts.
        titles: One caption per photo, e.g. `"crack, taken for ok (97%)"`.

    Returns:
        The figure, four photos in a row.

    Raises:
        ValueError: If there are not as many titles as photos.
    """
    if len(photos) != len(titles):
        raise ValueError(
            "`photos` and `titles` must have the same length. "
            f"Received: {len(photos)} photos and {len(titles)} titles."
        )
    if not len(photos):
        figure = new_figure(6, 1.6)
        say_nothing(figure, "No mistakes.")
        return figure
    columns = min(4, len(photos))
    rows = math.ceil(len(photos) / columns)
    figure = new_figure(2.5 * columns, 2.85 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, photo, title in zip(grid, photos, titles, strict=False):
        if isinstance(photo, str):
            _write_text(axes, photo)
        else:
            axes.imshow(photo, cmap="gray", vmin=0, vmax=255, interpolation="lanczos")
        lines = [short_name(line, 30) for line in title.split("\n")[:3]]
        axes.set_title("\n".join(lines), fontsize=9, color=INK, loc="left", **PLAIN_TEXT)
    return figure


def _write_text(axes: "Axes", text: str) -> None:
    """Write the beginning of a text, in place of a picture."""
    lines = textwrap.wrap(printable(text), 34)
    shown = lines[:9] + ["…"] * (len(lines) > 9)
    axes.text(0, 0.97, "\n".join(shown), fontsize=8, color=MUTED, va="top", **PLAIN_TEXT)


def _write_cell(
    axes: "Axes", row: int, column: int, count: float, share: float, classes: int
) -> None:
    if not count and classes > 8:
        return
    color = "white" if share > 0.55 else (INK if count else MUTED)
    size = 16 if classes <= 3 else (11 if classes <= 8 else max(6, 10.5 - 0.12 * classes))
    with_share = classes <= 6 and count
    text: dict[str, Any] = {
        "ha": "center",
        "va": "center",
        "color": color,
        "textcoords": "offset points",
    }
    weight = "bold" if row == column else "normal"
    place = (0, 0.5 * size if with_share else 0)
    at = (column, row)
    axes.annotate(f"{count:,.0f}", at, place, fontsize=size, fontweight=weight, **text)
    if with_share:
        axes.annotate(f"{share:.0%}", at, (0, -0.65 * size), fontsize=0.72 * size, **text)
