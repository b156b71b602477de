"""Learning curves of all stages of a fit."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.report.plots.style import (
    BLUE,
    GREEN,
    MUTED,
    ORANGE,
    PLAIN_TEXT,
    new_figure,
    say_nothing,
    short_name,
    tidy,
)
from kerasrecipes.report.run_report import RunReport, StageReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_learning_curves(report: RunReport) -> "Figure":
    """Draw loss and accuracy over all stages, with stage borders and the epochs kept.

    Args:
        report: The facts of a fit.

    Returns:
        The figure; one panel per quantity that was measured on validation photos too.
    """
    names = {name for stage in report.stages for name in stage.history}
    pairs = [name for name in sorted(names) if f"val_{name}" in names]
    # Loss, then accuracy; a report with further metrics keeps the picture readable.
    pairs = sorted(pairs, key=lambda name: (name != "loss", "accuracy" not in name))[:2]
    figure = new_figure(5.4 * max(len(pairs), 1), 3.9)
    if not pairs:
        say_nothing(figure, "No epoch was completed.")
        return figure
    for axes, name in zip(figure.subplots(1, len(pairs), squeeze=False)[0], pairs, strict=True):
        _draw_curve(axes, report, name)
    return figure


def _draw_curve(axes: "Axes", report: RunReport, name: str) -> None:
    percent = "accuracy" in name
    tidy(axes, name.replace("_", " ").capitalize(), "epoch", "")
    curves = {"training": (name, ORANGE, 1.6), "validation": (f"val_{name}", BLUE, 2.4)}
    start, last = 0, {}
    for position, stage in enumerate(report.stages):
        if position and stage.epochs_run:
            axes.axvline(start + 0.5, color=MUTED, linewidth=1, linestyle=(0, (2, 3)))
        for label, (key, color, width) in curves.items():
            values = np.array(stage.history.get(key, []), dtype=float)
            if len(values):
                epochs = start + 1 + np.arange(len(values))
                axes.plot(epochs, values, color=color, linewidth=width, marker="o", markersize=3)
                last[label] = (epochs[-1], values[-1], color)
        _mark_kept(axes, stage, start, stage.history.get(f"val_{name}", []))
        if stage.epochs_run:
            _name_stage(axes, stage.name, start + 0.5)
        start += stage.epochs_run
    axes.set_xlim(0.5, max(start, 1) * 1.02 + 0.5)
    whole: Any = axes.xaxis.get_major_locator()
    whole.set_params(integer=True)
    if percent:
        axes.yaxis.set_major_formatter("{x:.0%}")
    _label_ends(axes, last, percent)


def _name_stage(axes: "Axes", name: str, left: float) -> None:
    axes.text(
        left,
        1.0,
        f" {short_name(name, 20)}",
        transform=axes.get_xaxis_transform(),
        fontsize=9,
        color=MUTED,
        va="bottom",
        **PLAIN_TEXT,
    )


def _mark_kept(axes: "Axes", stage: StageReport, start: int, values: Sequence[float]) -> None:
    best = stage.best_epoch
    if best and best <= len(values) and math.isfinite(values[best - 1]):
        point = (start + best, values[best - 1])
        axes.plot(*point, "o", markersize=10, markerfacecolor="none", color=GREEN, mew=2)
        axes.annotate(
            "kept", point, xytext=(0, 9), textcoords="offset points", fontsize=9, color=GREEN,
            ha="center", fontweight="bold", bbox={"color": "white", "alpha": 0.7, "pad": 0.5},
        )  # fmt: skip


def _label_ends(axes: "Axes", last: dict, percent: bool) -> None:
    """Name the curves at their ends, apart from each other."""
    ends = [(y, label, x, color) for label, (x, y, color) in last.items() if math.isfinite(y)]
    bottom, top = axes.get_ylim()
    gap = 0.075 * (top - bottom)
    height = -math.inf
    for y, label, x, color in sorted(ends):
        height = max(y, height + gap)
        number = f"{y:.1%}" if percent else f"{y:.3g}"
        axes.annotate(
            f"{label} {number}",
            (x, y),
            xytext=(1.02, height),
            textcoords=axes.get_yaxis_transform(),
            fontsize=9.5,
            fontweight="bold",
            color=color,
            va="center",
            annotation_clip=False,
        )
