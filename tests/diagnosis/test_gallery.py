"""The page shows what to look at first, loads nothing, and lets no name become markup."""

import re
from dataclasses import replace

import pytest

from kerasrecipes.diagnosis.gallery import gallery
from kerasrecipes.report.html import render_html
from kerasrecipes.report.run_report import RunReport
from kerasrecipes.statistics.tables import Table


@pytest.fixture(scope="module")
def sections(found):
    return gallery(found)


def test_every_kind_has_its_photos(sections):
    titles = [one.title for one in sections]
    assert titles[0] == "Labels that are likely wrong"
    assert all(0 < len(one.thumbnails) <= 12 for one in sections)
    assert all(one.jpeg[:2] == b"\xff\xd8" for found in sections for one in found.thumbnails)


def test_the_page_is_safe_and_self_contained(sections):
    evil = "<script>alert(1)</script>"
    odd = replace(sections[0].thumbnails[0], caption=(evil, '" onerror="x'))
    table = Table(evil, (evil, "n"), ((evil, "3 (1–5)"),), right=(1,))
    sections = [
        *sections,
        replace(sections[0], title=evil, content=(evil, table), thumbnails=(odd,)),
    ]
    page = render_html(RunReport(name="tiles", created="2026-01-01"), sections=sections)
    assert "<script" not in page and 'onerror="x' not in page.replace("&#34;", "&quot;")
    assert page.count("data:image/jpeg;base64,") == sum(len(one.thumbnails) for one in sections)
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert len(page) < 1_000_000
