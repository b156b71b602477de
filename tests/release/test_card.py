"""The model card says what is known, and leaves to its owner what is not."""

import json
import re
from dataclasses import replace

import pytest

from kerasrecipes import DataError, write_card
from kerasrecipes.release.bundle import Bundle


def test_a_card_says_how_good_it_is_and_what_is_to_be_filled_in(small_saved, tmp_path):
    text = write_card(small_saved, tmp_path / "README.md").read_text()
    _, front, page = text.split("---\n", 2)
    told = dict(line.split(": ", 1) for line in front.splitlines())
    assert told["license"].startswith("other") and told["library_name"] == "keras"
    assert json.loads(told["tags"])[0] == "kerasrecipes"
    (index,) = json.loads(told["model-index"])
    (metric,) = index["results"][0]["metrics"]
    found = small_saved.report().evaluations["test"]
    assert metric["value"] == found.headline.value and "95 % interval" in metric["name"]
    for part in ("Intended use", "How good it is", "What it learned from", "Limits", "Lineage"):
        assert f"\n## {part}\n" in page
    assert "To be filled in by its owner" in page and "dot, plain, stripe" in page
    assert "tflite-float32: " in page.replace("\\", "") and "verified" in page
    assert small_saved.manifest.sha256["model.keras"] in page


def test_names_from_the_data_are_no_markup(small_saved, tmp_path, monkeypatch):
    report = small_saved.report()
    hostile = "<script>x</script> [a](http://b) `c` | d"
    monkeypatch.setattr(
        Bundle, "report", lambda self: replace(report, name=hostile, warnings=[hostile])
    )
    text = write_card(small_saved, tmp_path / "README.md").read_text()
    page = text.split("---\n", 2)[2]
    assert "<script" not in page and not re.search(r"(?<!\\)[\[|`]", page.splitlines()[0])


def test_no_bundle_is_an_error(tmp_path):
    with pytest.raises(DataError):
        write_card(tmp_path, tmp_path / "README.md")
    assert list(tmp_path.iterdir()) == []
