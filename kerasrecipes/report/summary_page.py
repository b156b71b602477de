"""One page about what a model was shown to do, for who signs for it."""

from collections.abc import Sequence

from kerasrecipes.report.page import page_environment, page_frame
from kerasrecipes.report.section import Section


def render_summary(title: str, headline: str, sections: Sequence[Section]) -> str:
    """Write a summary as one self-contained HTML page.

    Args:
        title: What it is about.
        headline: What is to be read if nothing else is.
        sections: What else it says.

    Returns:
        The page. It loads nothing from elsewhere, and text from the data cannot become markup.
    """
    template = page_environment().get_template("summary.html.j2")
    return template.render(title=title, headline=headline, **page_frame(sections))
