"""What speed and size cost in quality, as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.evaluation.task import Task
from kerasrecipes.report.plots.style import (
    BLUE,
    INK,
    MUTED,
    PLAIN_TEXT,
    new_figure,
    short_name,
    tidy,
)
from kerasrecipes.statistics.estimate import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FONT = 9.5
# About the size of a panel, and where a name may stand beside its point, both in points.
_PANEL = (310.0, 240.0)
_TRIED = [(x, y) for y in (0, 16, -16, 32, -32, 48, -48, 64, -64) for x in (10, -10)]


@dataclass(frozen=True)
class TradeOff:
    """One file in the picture.

    Args:
        name: What is written beside its point.
        quality: Mean quality of its answers, as its `Task` counts it, with its interval.
        latency_ms: Milliseconds for one photo.
        size_bytes: Size of the file.
    """

    name: str
    quality: Estimate
    latency_ms: float
    size_bytes: int


def plot_trade_off(
    files: Sequence[TradeOff], task: Task, output: OutputSpec, threads: int = 1
) -> "Figure":
    """Draw quality against time and against size; the best corner is on the left.

    Args:
        files: What was measured, at least one.
        task: What the files answer; it says what the quality is called and which way is better.
        output: What is known of the answers.
        threads: With how many threads, for the label of the axis.

    Returns:
        The figure, two panels with the same axis of quality.
    """
    figure = new_figure(10.4, 4.4)
    panels = figure.subplots(1, 2, sharey=True)
    counted = f"{threads} thread{'s' if threads > 1 else ''}"
    name = task.quality_name.capitalize()
    direction = "lower is better" if task.is_error else ""
    axis = ", ".join(filter(None, (task.quality_name, task.unit(output), direction)))
    tidy(panels[0], f"{name} and time", f"milliseconds per photo, {counted}", axis)
    tidy(panels[1], f"{name} and size", "size of the file, MB", "")
    shown = [replace(file, quality=task.shown_estimate(file.quality)) for file in files]
    _draw(panels[0], [file.latency_ms for file in files], shown)
    _draw(panels[1], [file.size_bytes / 1e6 for file in files], shown)
    if not task.is_error:
        panels[0].yaxis.set_major_formatter(lambda value, _: f"{value:.0%}" if value <= 1 else "")
    return figure


def _draw(axes: "Axes", places: Sequence[float], files: Sequence[TradeOff]) -> None:
    ends = [end for file in files for end in (file.quality.low, file.quality.high)]
    scale = max(map(abs, ends)) or 1.0
    margin = 0.08 * max(max(ends) - min(ends), 0.02 * scale)
    width, low, high = 1.25 * max(places), min(ends) - margin, max(ends) + margin
    axes.set(xlim=(0, width), ylim=(low, high))
    points = []
    for place, file in zip(places, files, strict=True):
        value = file.quality
        axes.plot([place] * 2, [value.low, value.high], color=BLUE, linewidth=2, alpha=0.35)
        axes.plot(place, value.value, "o", color=BLUE, markersize=7, markeredgecolor="white")
        height = (value.value - low) / (high - low)
        points.append((_PANEL[0] * place / width, _PANEL[1] * height))
    for place, file, offset in zip(places, files, _offsets(points, files), strict=True):
        axes.annotate(
            short_name(file.name),
            (place, file.quality.value),
            offset,
            textcoords="offset points",
            ha="left" if offset[0] > 0 else "right",
            va="center",
            fontsize=_FONT,
            color=INK,
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.6, "shrinkB": 4},
            **PLAIN_TEXT,
        )


def _offsets(points: list[tuple[float, float]], files: Sequence[TradeOff]) -> list[tuple]:
    """Find a place beside each point where its name covers no point and no other name."""
    taken: list[tuple[float, ...]] = [(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    found = []
    for (x, y), file in zip(points, files, strict=True):
        length = 0.55 * _FONT * len(short_name(file.name))
        boxes = {}
        for offset in _TRIED:
            left = x + offset[0] - (length if offset[0] < 0 else 0)
            middle = y + offset[1]
            boxes[offset] = (left, middle - _FONT / 2, left + length, middle + _FONT / 2)
        free = [offset for offset, box in boxes.items() if _is_free(box, taken)]
        found.append(free[0] if free else _TRIED[0])
        taken.append(boxes[found[-1]])
    return found


def _is_free(box: tuple[float, ...], taken: list[tuple[float, ...]]) -> bool:
    inside = box[0] >= 0 and box[1] >= 0 and box[2] <= _PANEL[0] and box[3] <= _PANEL[1]
    return inside and not any(
        box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
        for other in taken
    )
