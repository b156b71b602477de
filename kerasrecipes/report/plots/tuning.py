"""What a search tried, and which setting mattered, as pictures."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kerasrecipes.report.plots.style import BLUE, INK, MUTED, ORANGE, name_ticks, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_trials(trials: Sequence[tuple[float, float]], chosen: int, measure: str) -> "Figure":
    """Draw candidates from the best to the worst, beside the recipe as it was.

    Args:
        trials: The mean cost of each, and the standard error of its difference to the first.
        chosen: Which one is taken.
        measure: What the cost is called.
    """
    figure = new_figure(8.4, 3.6)
    axes = figure.subplots()
    tidy(axes, "", "candidates, the best first", measure)
    order = sorted(range(len(trials)), key=lambda i: trials[i][0])
    axes.axhline(trials[0][0], color=MUTED, linewidth=1, linestyle="--", label="as it was")
    for place, number in enumerate(order):
        cost, error = trials[number]
        taken = number == chosen
        colour = ORANGE if taken else INK if number == 0 else BLUE
        axes.plot([place] * 2, [cost - error, cost + error], color=colour, linewidth=2, alpha=0.35)
        label = "taken" if taken else None
        axes.plot(
            place, cost, "o", color=colour, markersize=6, markeredgecolor="white", label=label
        )
    axes.set_xticks([])
    axes.legend(frameon=False, fontsize=9.5, labelcolor=MUTED)
    return figure


def plot_importance(importance: Mapping[str, float]) -> "Figure":
    """Draw which share of what differs is owed to each setting.

    Args:
        importance: Setting to its share, 0…1.
    """
    names = sorted(importance, key=importance.__getitem__)
    figure = new_figure(8.4, 0.9 + 0.45 * len(names))
    axes = figure.subplots()
    tidy(axes, "", "share of what differs between candidates")
    axes.barh(range(len(names)), [importance[name] for name in names], color=BLUE, height=0.6)
    name_ticks(axes, names, "y", 9.5, 0)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    return figure
