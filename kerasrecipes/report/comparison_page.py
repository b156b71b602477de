"""Two models on the same photos, as one page that opens anywhere."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from kerasrecipes.report.page import page_environment, page_frame
from kerasrecipes.report.section import Section
from kerasrecipes.statistics.estimate import decode_float
from kerasrecipes.statistics.paired_change import PairedChange


def render_comparison(found: Mapping[str, Any], sections: Sequence[Section] = ()) -> str:
    """Write a comparison as one self-contained HTML page.

    Args:
        found: What `Comparison.to_dict` returned.
        sections: What else to show, behind it.

    Returns:
        The page. It loads nothing from elsewhere, and text from the data cannot become markup.
    """
    tables = (("In all", found["measures"]), ("Class by class", found["classes"]))
    template = page_environment().get_template("comparison.html.j2")
    shown = [(title, _rows([_change(one) for one in rows])) for title, rows in tables]
    return template.render(found=found, tables=shown, **page_frame(sections))


def _change(told: Mapping[str, Any]) -> PairedChange:
    """Read what `PairedChange.to_dict` wrote."""
    names = [one.name for one in fields(PairedChange)]
    values: dict[str, Any] = {name: told[name] for name in names}
    for name in ("before", "after", "low", "high", "p_value"):
        values[name] = decode_float(values[name])
    return PairedChange(**values)


def _rows(changes: Sequence[PairedChange]) -> list[dict[str, Any]]:
    # One scale for all shares; what has a unit of its own has a scale of its own.
    ends = [abs(end) for one in changes if one.is_share for end in (one.low, one.high)]
    reach = max(filter(math.isfinite, ends), default=0.0)
    return [
        _row(one, reach if one.is_share else max(abs(one.low), abs(one.high))) for one in changes
    ]


def _row(change: PairedChange, reach: float) -> dict[str, Any]:
    before, after, difference = change.written()
    sign = 1 if change.higher_is_better else -1
    low, high = sorted((sign * change.low, sign * change.high))
    drawn = reach > 0 and math.isfinite(low + high + reach)
    place = {"left": 50 + 50 * low / reach, "width": 50 * (high - low) / reach} if drawn else {}
    return {
        "name": change.name,
        "rows": change.rows,
        "before": before,
        "after": after,
        "difference": difference,
        "p": f"{change.p_value:.2g}",
        "verdict": change.verdict(),
        "left": None,
        **place,
        "at": 50 + 50 * sign * change.difference / reach if drawn else None,
    }
