"""The commands say the same as Python."""

import json

import pytest

from kerasrecipes import backbones
from kerasrecipes.cli import main
from kerasrecipes.diagnosis.gallery import page_sections
from kerasrecipes.report.html import render_html
from kerasrecipes.report.run_report import RunReport


@pytest.fixture
def told(monkeypatch, capsys, tiny_spec):
    """Runs a command that succeeds, and returns what it prints."""
    monkeypatch.setitem(backbones._REGISTRY.added, "tiny", tiny_spec())

    def run(*arguments) -> str:
        with pytest.raises(SystemExit) as end:
            main([*map(str, arguments)])
        printed = capsys.readouterr()
        assert end.value.code == 0, printed.err
        return printed.out

    return run


def test_each_command_prints_json(told, saved, wrong_photos):
    with_model = ["--model", saved.folder, "--backbone", "tiny", "--json"]
    found = json.loads(told("mistakes", wrong_photos, *with_model))
    assert found["judged"] == 90 and found["suspects"]
    levels = json.loads(told("stress", saved.folder, wrong_photos, "--count", 9, "--json"))
    assert len(levels["levels"]) == 36
    late = told("over-time", wrong_photos, "--windows", 1, "--backbone", "tiny")
    assert "Each window by what came before it" in late or "learned from" in late


def test_the_page_has_slices_and_what_to_look_at(saved, wrong_photos, tiny_spec, capsys):
    more = {"stress": True, "over_time": True}
    sections = page_sections(saved.folder, wrong_photos, ["camera"], tiny_spec(), **more)
    assert all(one.paired for found in sections for one in found.thumbnails)
    titles = [one.title for one in sections]
    assert titles[:3] == ["Where it is worse", "What it bears", "What comes later"]
    text = render_html(RunReport(name="colours", created="2026-01-01"), sections=sections)
    assert "Labels that are likely wrong" in text and "The worst of 3 slices is camera" in text
    assert "<b>bad" not in text and "data:image/jpeg" in text
    assert 'class="gallery pairs"' in text and "grey levels (sd)" in text
    for option in (["--stress"], ["--over-time"]):
        with pytest.raises(SystemExit) as end:
            main(["report", str(saved.folder), *option])
        assert end.value.code == 2 and "name --photos, too" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        main(["report", str(saved.folder), "--slice", "camera"])
    assert end.value.code == 2 and "there are no photos to cut" in capsys.readouterr().err
