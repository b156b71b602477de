"""Looks at photos of a line, through a saved model: as they were, darker, of other classes."""

import json
import shutil
import sqlite3
from dataclasses import replace

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.drift.profile import PROFILE_FILE, ReferenceProfile


def look(exported_once, profile, line, name, **how):
    return kr.detect_drift(exported_once, line / name, reference=profile, **how)


def test_photos_as_they_were_are_quiet(exported_once, profile, line):
    for week in range(3):
        found = look(exported_once, profile, line, f"week{week}")
        assert found.verdict == "no change seen" and not found.alarm, str(found)
        assert found.examples == 120 and found.reference == 240
    assert "would be noticed in four of five looks" in str(found)
    assert "Low power" in str(found)
    low, high = found.expected_quality.low, found.expected_quality.high
    assert low <= found.quality <= high


def test_darker_photos_are_caught_and_named(exported_once, profile, line):
    found = look(exported_once, profile, line, "dark")
    assert found.alarm and found.shifts[0].family in ("inputs", "features")
    moved = {one.name: one for one in found.shifts}["brightness"]
    assert moved.p_value < 1e-4 and moved.now == pytest.approx(0.8 * moved.before, rel=0.05)
    assert len(found.most_shifted) == 8 and all("dark" in name for name in found.most_shifted)
    told = str(found)
    assert told.startswith("ALARM") and "label some and evaluate" in told
    assert "<table>" in found._repr_html_()
    page = found.page()
    assert page.count('<img src="data:image/png;base64,') == len(found.pictures) == 8
    assert "http" not in page and found.most_shifted[0] in page


def test_a_change_of_classes_alone_is_seen_in_the_answers(exported_once, profile, line):
    found = look(exported_once, profile, line, "one_class")
    classes = {one.name: one for one in found.shifts}["classes"]
    assert found.alarm and classes.p_value < 1e-9
    assert classes.effect == pytest.approx(2 / 3, abs=0.1)


def test_too_few_photos_say_nothing(exported_once, profile, line):
    found = look(exported_once, profile, line, "few")
    assert found.verdict == "insufficient data" and not found.shifts
    assert "Nothing was compared" in str(found)


def test_evidence_adds_up_over_looks_and_each_window_counts_once(
    exported_once, profile, line, tmp_path
):
    history = tmp_path / "drift.db"
    found = [look(exported_once, profile, line, f"week{w}", history=history) for w in range(3)]
    assert [one.look for one in found] == [1, 2, 3] and not any(one.alarm for one in found)
    again = look(exported_once, profile, line, "week1", history=history)
    assert (again.look, again.level) == (2, found[1].level)
    changed = look(exported_once, profile, line, "dark", history=history)
    assert changed.alarm and changed.since.startswith("look ")
    later = look(exported_once, profile, line, "few", history=history)
    assert later.verdict == "insufficient data"
    with sqlite3.connect(history) as connection:
        assert connection.execute("SELECT count(*) FROM looks").fetchone() == (4,)


def test_windows_that_are_declared_ordinary_teach_and_accuse_nobody(
    exported_once, profile, line, tmp_path
):
    history = tmp_path / "drift.db"
    told = {"history": history, "ordinary": True}
    assert not look(exported_once, profile, line, "dark", **told).alarm
    assert look(exported_once, profile, line, "week0", history=history).level < 10
    with pytest.raises(ValueError, match="`ordinary` has no effect without `history`"):
        look(exported_once, profile, line, "week1", ordinary=True)


def test_an_alarm_stays_until_somebody_begins_anew(exported_once, profile, line, tmp_path):
    history = tmp_path / "drift.db"
    assert look(exported_once, profile, line, "dark", history=history).alarm
    assert look(exported_once, profile, line, "week0", history=history).alarm


def test_a_history_of_another_model_or_of_something_else_is_refused(
    exported_once, profile, line, tmp_path
):
    from dataclasses import replace

    history = tmp_path / "drift.db"
    look(exported_once, profile, line, "week0", history=history)
    other = replace(profile, inputs=profile.inputs + 1)
    with pytest.raises(kr.DataError, match="with another profile"):
        look(exported_once, other, line, "week1", history=history)
    (tmp_path / "text.db").write_text("no database, but long enough to be read as one" * 50)
    for place, told in (("text.db", "cannot be used"), ("no/where.db", "no folder")):
        with pytest.raises(kr.DataError, match=told):
            look(exported_once, profile, line, "week1", history=tmp_path / place)


def test_what_the_model_has_seen_and_copies_are_left_out(exported, profile, line, tmp_path):
    folder = tmp_path / "mixed"
    shutil.copytree(line / "week0", folder)
    for number in range(5):
        (folder / f"copy{number}.png").write_bytes((folder / "000.png").read_bytes())
    (folder / "broken.png").write_bytes(b"\x89PNG no photo")
    found = kr.detect_drift(exported, folder, reference=profile)
    assert found.examples == 120
    assert "1 photos could not be read" in " ".join(found.notes)


def test_a_bundle_without_a_profile_says_how_to_get_one(exported_once, line):
    with pytest.raises(kr.DataError, match="profile_bundle"):
        kr.detect_drift(exported_once, line / "week0")


def test_a_saved_recipe_brings_its_profile(small_saved, part_photos, tmp_path):
    profile = ReferenceProfile.read(small_saved.folder / PROFILE_FILE)
    assert len(profile) == 12 and profile.features.shape == (12, 64)
    assert (small_saved.folder / PROFILE_FILE).stat().st_size < 300_000
    found = kr.detect_drift(small_saved, part_photos)
    assert found.verdict == "insufficient data"
    assert "48 photos were left out: the model has seen them." in found.notes


@pytest.mark.parametrize("harm", ["cut", "renamed", "nan", "newer"])
def test_a_damaged_profile_is_refused(profile, tmp_path, harm):
    path = tmp_path / PROFILE_FILE
    profile.write(path)
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    else:
        with np.load(path) as arrays:
            held = dict(arrays)
        facts = json.loads(str(held["facts"]))
        held |= {
            "renamed": {"answers": held["answers"][:3]},
            "nan": {"centre": held["centre"] * np.nan},
            "newer": {"facts": np.array(json.dumps({**facts, "format": 3}))},
        }[harm]
        np.savez(path, **held)
    with pytest.raises(kr.IntegrityError, match="no profile that this version can read"):
        ReferenceProfile.read(path)


def test_a_profile_reads_back_as_it_was(profile, tmp_path):
    profile.write(tmp_path / PROFILE_FILE)
    assert ReferenceProfile.read(tmp_path / PROFILE_FILE).digest() == profile.digest()


@pytest.mark.parametrize(
    ("groups", "told"),
    [(60, "show 60 groups: one of each was compared"), (10, "as if independent, so that alarms")],
)
def test_it_is_told_how_photos_of_one_part_were_counted(exported_once, profile, line, groups, told):
    photos = kr.scan_photos(line / "reference")
    parted = [replace(one, group=f"P{i % groups}") for i, one in enumerate(photos.items)]
    found = kr.detect_drift(exported_once, photos.with_items(parted), reference=profile)
    assert told in str(found) and found.examples == 240
    alone = kr.detect_drift(exported_once, photos, reference=profile)
    assert "groups" not in str(alone) and alone.smallest < found.smallest
