"""A model in use as one page: alarms, evidence over time, and every number."""

import math
from collections.abc import Sequence

from kerasrecipes.report.page import page_environment, page_frame
from kerasrecipes.report.section import Section

_WIDTH, _HEIGHT = 600, 120


def render_watch(
    model: str,
    alarms: Sequence[tuple[str, str, str]],
    levels: Sequence[float],
    promise: float,
    sections: Sequence[Section],
) -> str:
    """Write a dashboard as one self-contained HTML page.

    Args:
        model: Its name and version.
        alarms: Cause, what was found, and where it says what to do.
        levels: Evidence of each look, the first one first.
        promise: From this evidence on there is an alarm.
        sections: What else to show.

    Returns:
        The page. It loads nothing from elsewhere, and text from the data cannot become markup.
    """
    template = page_environment().get_template("watch.html.j2")
    return template.render(
        model=model,
        alarms=alarms,
        points=" ".join(_places(levels, promise)),
        limit=_y(promise, promise),
        looks=len(levels),
        width=_WIDTH,
        height=_HEIGHT,
        **page_frame(sections),
    )


def _places(levels: Sequence[float], promise: float) -> list[str]:
    """Return where the looks stand; evidence is drawn by its logarithm."""
    step = _WIDTH / max(1, len(levels) - 1)
    return [f"{i * step:.1f},{_y(level, promise):.1f}" for i, level in enumerate(levels)]


def _y(level: float, promise: float) -> float:
    top = math.log1p(10 * promise)
    return _HEIGHT * (1 - min(1.0, math.log1p(max(0.0, level)) / top))
