"""A search for better settings as one page: what was tried, what mattered, what to take."""

import base64
from collections.abc import Mapping, Sequence

from kerasrecipes.report.page import page_environment, page_frame
from kerasrecipes.report.plots.style import png
from kerasrecipes.report.plots.tuning import plot_importance, plot_trials
from kerasrecipes.report.section import Section


def render_tuning(
    verdict: str,
    measure: str,
    trials: Sequence[tuple[float, float]],
    chosen: int,
    importance: Mapping[str, float],
    sections: Sequence[Section],
) -> str:
    """Write a search as one self-contained HTML page.

    Args:
        verdict: What to take, and why.
        measure: What was compared, the lower the better.
        trials: The mean of each candidate, and the standard error of its difference to the
            first, the recipe as it was.
        chosen: Which candidate is taken.
        importance: Setting to its share of what differs; empty where that is not known.
        sections: What else to show.

    Returns:
        The page. It loads nothing from elsewhere, and text from the data cannot become markup.
    """
    pictures = [("Candidates, the best first", png(plot_trials(trials, chosen, measure)))]
    if importance:
        pictures.append(("What mattered", png(plot_importance(importance))))
    return (
        page_environment()
        .get_template("tuning.html.j2")
        .render(
            verdict=verdict,
            better=chosen != 0,
            pictures=[(title, base64.b64encode(one).decode()) for title, one in pictures],
            **page_frame(sections),
        )
    )
