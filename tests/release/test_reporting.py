from types import SimpleNamespace

import pytest

import kerasrecipes as kr
from kerasrecipes.drift.profile import ReferenceProfile
from kerasrecipes.release.sections import drift_section
from kerasrecipes.training.save import _parents


def test_the_page_has_the_fit_and_every_export_since(small_saved, tmp_path):
    kr.write_report(small_saved, tmp_path / "parts.html")
    page = (tmp_path / "parts.html").read_text("utf-8")
    assert "tflite float32" in page and "✓ same" in page
    # Beside that it is the page of the fit.
    own = small_saved.read("report.html").decode()
    assert "✓ same" not in own
    assert page.count("<img") == own.count("<img") > 0 and len(page) > len(own)


def test_the_page_says_by_what_the_model_is_known_and_how_it_is_watched(small_saved, tmp_path):
    page = kr.write_report(small_saved, tmp_path / "parts.html").read_text("utf-8")
    files = small_saved.manifest.sha256
    (export,) = small_saved.exports().values()
    for digest in (small_saved.sha256, files["model.keras"], files["data.jsonl"], export.sha256):
        assert page.count(digest) == 1
    assert "It was made of no other saved model." in page
    profile = ReferenceProfile.read(small_saved.folder / "profile.npz")
    own = small_saved.read("report.html").decode()
    for told in (
        f"{len(profile):,} of the {small_saved.manifest.golden_split} split",
        "brightness",
    ):
        assert told in page and told in own
    assert "no windows of its own" in page
    facts = profile.facts.model_copy(update={"windows": ((60, 0.4), (75, 0.2))})
    told = drift_section(ReferenceProfile(**{**vars(profile), "facts": facts}), "test", "text")
    assert "2 windows of its own, of 60 to 75 texts" in told.content[1]


def test_an_export_has_a_page_of_its_own(small_saved, tmp_path):
    path = tmp_path / "file.html"
    page = kr.write_report(small_saved, path, export="tflite-float32").read_text("utf-8")
    (export,) = small_saved.exports().values()
    assert "tflite-float32 of parts, version 1" in page and export.sha256 in page
    assert "which is within the limits" in page and "Class by class" in page and "stripe" in page
    with pytest.raises(ValueError, match="Unknown export 'tflite-int8'"):
        kr.write_report(small_saved, path, export="tflite-int8")


def test_a_model_that_starts_from_a_saved_one_or_is_made_of_it_says_so(small_saved):
    recipe = SimpleNamespace(
        fitted_=SimpleNamespace(parents=()), weights=small_saved.folder / "model.keras"
    )
    (giver,) = _parents(recipe)
    assert giver.sha256 == small_saved.sha256 and "weights" in giver.how
    recipe.weights = "default"
    assert _parents(recipe) == ()
    assert [one.sha256 for one in _parents(kr.load_recipe(small_saved))] == [giver.sha256]
