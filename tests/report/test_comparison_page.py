"""The page about two models: its numbers, its bars, and names that would do harm."""

import math

import pytest

from kerasrecipes.release.comparison import Comparison
from kerasrecipes.statistics.paired_change import PairedChange

from .conftest import HOSTILE
from .test_html import Page


def comparison(**changes):
    accuracy = PairedChange("accuracy", 800, 0.9, 0.93, 0.01, 0.05, 0.004)
    alarms = PairedChange("false alarms", 700, 0.05, 0.07, -0.01, 0.05, 0.2, False)
    error = PairedChange("error", 800, 4.0, 3.0, -1.5, -0.5, 0.001, False, False, "mm")
    undefined = PairedChange("brier", 1, 0.2, 0.2, math.nan, math.nan, 1.0)
    return Comparison(**{
        "champion": HOSTILE[0], "challenger": HOSTILE[5], "task": "classification",
        "photos": 1_800, "groups": 40, "agreement": 0.95,
        "measures": (accuracy, alarms, error, undefined),
        "classes": tuple(PairedChange(name, 9, 0.5, 0.5, -0.1, 0.1, 1.0) for name in HOSTILE),
        "left_out": 3, "notes": (HOSTILE[5],), **changes,
    })  # fmt: skip


def test_the_page_says_what_was_found_and_names_are_no_markup():
    text = comparison().page()
    page = Page(text)
    for told in [
        "BETTER: ", "1,800 photos of 40 groups", "95.0% of them alike", "3 were left out",
        "+3.0 points (+1.0 to +5.0)", "-1 (-1.5 to -0.5)", "✓ better", "0.004",
    ]:  # fmt: skip
        assert told in page.text, told
    assert not {"script", "img"} & set(page.tags)
    assert page.tags.count("tr") == 2 + 4 + len(HOSTILE)
    assert "Class by class" not in comparison(classes=()).page()


def test_bars_point_to_the_right_where_the_challenger_is_better():
    bars = comparison(classes=()).page().split('class="bar middle"')[1:]
    ends = [[float(part.split("%")[0]) for part in bar.split("left:")[1:]] for bar in bars]
    # A wider interval of shares is a wider bar, fewer alarms are better, and so is a smaller error.
    assert ends == [[60, 80], [0, 30], [66.7, 83.3]]


@pytest.mark.parametrize("colour_scheme", ["light", "dark"])
def test_it_fits_a_phone(open_page, tmp_path, colour_scheme):
    path = tmp_path / "page.html"
    path.write_text(comparison().page(), encoding="utf-8")
    phone = {"viewport": {"width": 360, "height": 740}, "color_scheme": colour_scheme}
    page = open_page(path.as_uri(), **phone)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
