"""What every page has in common: how it looks, its sections, and the one script it may run."""

import base64
import functools
import hashlib
import importlib.resources
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kerasrecipes.errors import printable
from kerasrecipes.report.section import Section
from kerasrecipes.report.words import duration, size

if TYPE_CHECKING:
    from jinja2 import Environment


def page_environment() -> "Environment":
    """Return what renders the templates: text from data is escaped, and nothing is undefined."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_source),
    )
    environment.filters |= {"printable": printable, "duration": duration, "size": size}
    return environment


def page_frame(sections: Sequence[Section]) -> dict[str, Any]:
    """Return what the frame of a page is rendered with: its look, its sections and its script.

    Args:
        sections: What it shows. Only where one needs it, the page has a script, and its policy
            lets a browser run that one and no other.
    """
    script = _source("slider.js") if any(one.slider for one in sections) else ""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return {
        "style": _source("style.css"),
        "script": script,
        "digest": f"sha256-{digest}",
        "sections": [(one, list(one.blocks())) for one in sections],
    }


@functools.cache
def _source(name: str) -> str:
    file = importlib.resources.files("kerasrecipes.report") / "templates" / name
    return file.read_text(encoding="utf-8")
