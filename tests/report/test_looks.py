"""How a page looks: on a phone, in the dark, with keys alone, and to who cannot see it well."""

import importlib.resources
import re

import numpy as np
import pytest

from kerasrecipes.report.html import render_html
from kerasrecipes.report.section import Section, Thumbnail
from kerasrecipes.report.threshold_section import threshold_sections
from kerasrecipes.statistics.tables import Table

from .conftest import HOSTILE
from .test_threshold_slider import TWO

NAMELESS = """[...document.querySelectorAll("input, select, button, img")].filter((one) =>
    !(one.alt || one.ariaLabel || one.labels?.length || one.innerText)
).map((one) => one.outerHTML)"""


def luminance(colour):
    digits = colour * 2 if len(colour) == 3 else colour
    parts = np.array([int(digits[i : i + 2], 16) for i in (0, 2, 4)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return linear @ (0.2126, 0.7152, 0.0722)


@pytest.mark.parametrize("scheme", [0, 1])
def test_text_has_the_contrast_that_wcag_asks_for(scheme):
    style = importlib.resources.files("kerasrecipes.report") / "templates" / "style.css"
    roots = re.findall(r":root \{(.*?)\}", style.read_text(encoding="utf-8"), re.DOTALL)
    colours = dict(re.findall(r"--(\w+): #(\w+)", roots[scheme]))
    for text in ("ink", "muted", "accent", "good", "bad"):
        for ground in ("ground", "card", "warn"):
            dark, light = sorted(luminance(colours[one]) for one in (text, ground))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


@pytest.mark.parametrize("colour_scheme", ["light", "dark"])
def test_it_fits_a_phone_and_everything_has_a_name(
    open_page, tmp_path, hostile_report, make_scores, colour_scheme
):
    thumbnail = Thumbnail.of(np.zeros((40, 40, 3)), HOSTILE[6], "good → crack")
    digests = Table("Files", ("file", "SHA-256"), (("model.keras", "ab" * 32),))
    gallery = Section(HOSTILE[6], (HOSTILE[6], digests), (thumbnail,))
    sections = [*threshold_sections(TWO, *make_scores(2)), gallery]
    path = tmp_path / "page.html"
    path.write_text(render_html(hostile_report, {}, sections), encoding="utf-8")
    phone = {"viewport": {"width": 360, "height": 740}, "color_scheme": colour_scheme}
    page = open_page(path.as_uri(), **phone)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate(NAMELESS) == []
    assert page.is_visible("th:text-is('SHA-256')")
    grounds = {"light": "rgb(246, 247, 249)", "dark": "rgb(18, 22, 28)"}
    shown = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert shown == grounds[colour_scheme]
