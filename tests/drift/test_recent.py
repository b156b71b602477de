"""The last windows together: a promise that holds over one reference, and small changes seen."""

import sqlite3
from dataclasses import replace

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.drift.comparing import compare_with
from kerasrecipes.drift.history import DriftHistory
from kerasrecipes.drift.judging import judge_next
from kerasrecipes.drift.observed import Observed, group_keys
from kerasrecipes.drift.profile import ReferenceProfile
from kerasrecipes.drift.recent import Measured, compare_recent
from kerasrecipes.drift.shift import p_of_look

OUTPUT = OutputSpec(name="scores", task="classification", class_names=("good", "bad"))


def line(n: int, rng, shift: float = 0.0) -> Observed:
    """Photos whose brightness may move."""
    good = rng.random(n).astype(np.float32)
    features = rng.normal(size=(n, 3)).astype(np.float32)
    return Observed(
        {"brightness": rng.normal(shift, 1, n)}, features, np.stack([good, 1 - good], axis=1)
    )


def reference(n: int, rng) -> ReferenceProfile:
    return ReferenceProfile.of(replace(line(n, rng), targets=np.zeros(n)), OUTPUT, "photos")


def window(profile, rng, n=50, shift=0.0) -> Measured:
    seen = profile.sketched(line(n, rng, shift))
    return Measured(seen, rng.integers(0, 2**63, n, np.uint64))


def look(profile, now, earlier):
    return compare_recent(profile, now, compare_with(profile, now.seen), earlier)


def test_an_unlucky_reference_breaks_no_promise():
    rng, promise, looks, years = np.random.default_rng(0), 20, 5, 30
    alarms = 0
    for _ in range(years):
        profile, earlier, found = reference(50, rng), [], []
        for _ in range(looks):
            now = window(profile, rng)
            found.append(look(profile, now, earlier).p_value)
            earlier = [now, *earlier]
        alarms += min(found) <= 1 / promise
    assert alarms <= years * looks / promise


def test_a_change_that_no_window_shows_is_seen_in_several():
    rng = np.random.default_rng(1)
    profile, earlier, found = reference(700, rng), [], []
    for _ in range(6):
        now = window(profile, rng, 60, shift=0.45)
        found.append(look(profile, now, earlier))
        earlier = [now, *earlier]
    single = [p_of_look(compare_with(profile, one.seen)) for one in earlier]
    assert sum(p <= 1 / 520 for p in single) <= 2
    assert all(one.p_value <= 1 / 520 for one in found[4:])
    assert {one.windows for one in found[4:]} - {1} and found[-1].shifts[0].name == "brightness"


def test_examples_that_come_again_count_once():
    rng = np.random.default_rng(2)
    profile = reference(60, rng)
    one = window(profile, rng)
    half = Measured(one.seen.rows(np.arange(25)), one.keys[:25])
    assert len(half.with_others(one).keys) == 50
    assert len(one.with_others(one).seen) == 50
    other = window(profile, rng)
    assert np.array_equal(one.with_others(other).seen.answers[50:], other.seen.answers)


def test_a_window_reads_back_as_it_was_written():
    rng = np.random.default_rng(3)
    profile = reference(60, rng)
    one, other = window(profile, rng), window(profile, rng)
    back = Measured.read(one.to_bytes(), other.seen)
    assert np.array_equal(back.keys, one.keys) and len(one.to_bytes()) < 20_000
    assert np.array_equal(back.seen.inputs["brightness"], one.seen.inputs["brightness"])
    narrow = Observed(other.seen.inputs, other.seen.features, other.seen.answers[:, :1])
    with pytest.raises(ValueError, match="array of the shape"):
        Measured.read(one.to_bytes(), narrow)


def judged(past, profile, now, number, **how):
    shifts = compare_with(profile, now.seen)
    settings = {"promise": 520.0, "known": [], "declared": False, "seed": 0, **how}
    return judge_next(past, profile, now, shifts, f"window {number}", **settings)


def test_a_history_keeps_what_the_next_looks_need_and_no_more(tmp_path):
    rng = np.random.default_rng(4)
    profile = reference(60, rng)
    path = tmp_path / "drift.db"
    past = DriftHistory(path, profile.digest())
    judged(past, profile, window(profile, rng), 0, declared=True)
    for number in range(1, 18):
        judged(past, profile, window(profile, rng), number)
    with sqlite3.connect(path) as connection:
        kept = connection.execute("SELECT number FROM looks WHERE measured NOT NULL").fetchall()
    assert [number for (number,) in kept] == list(range(4, 19))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE looks SET measured = x'00' WHERE number = 9")
    with pytest.raises(kr.DataError, match="drift.db' is damaged"):
        judged(past, profile, window(profile, rng), 99)


def test_evidence_of_several_windows_names_the_first_of_them_and_stays(tmp_path):
    rng = np.random.default_rng(5)
    profile = reference(700, rng)
    past = DriftHistory(tmp_path / "drift.db", profile.digest())
    quiet = [judged(past, profile, window(profile, rng, 60), n) for n in range(3)]
    found = [judged(past, profile, window(profile, rng, 60, 0.55), n) for n in range(3, 9)]
    assert not any(one["alarm"] for one in quiet) and found[-1]["alarm"]
    first = next(one for one in found if one["alarm"])
    assert first["windows"] > 1 and first["moved"] == "brightness"
    assert first["since"].startswith(f"look {first['look'] - first['windows'] + 1},")
    later = judged(past, profile, window(profile, rng, 60), 99)
    assert later["alarm"] and later["since"] == first["since"]


def test_parts_shown_several_times_break_no_promise():
    """In one window and over several, which is only so if a history remembers the parts."""
    rng, alarms = np.random.default_rng(7), {True: 0, False: 0}
    for _ in range(4):
        profile = reference(300, rng)
        rows = np.repeat(np.arange(50), 4)
        keys = rng.integers(0, 2**63, (2, 50), np.uint64)[:, rows]
        for known in alarms:
            seen = (profile.sketched(line(50, rng).rows(rows)) for _ in keys)
            groups = keys if known else (None, None)
            told = [replace(one, groups=of) for one, of in zip(seen, groups, strict=True)]
            own = [Measured(one, rng.integers(0, 2**63, 200, np.uint64)) for one in told]
            kept = [Measured.read(one.to_bytes(), one.seen) for one in own]
            alarms[known] += look(profile, kept[0], kept[1:]).p_value < 0.05
    assert alarms[True] <= 1 and alarms[False] >= 2


def test_a_part_is_the_same_in_every_window_however_it_is_written():
    day, night = (
        group_keys(names, ["a" * 64, "b" * 64]) for names in (["P 01", None], ["p_1"] * 2)
    )
    assert day[0] == night[0] == night[1] != day[1]
    assert group_keys([None, " "], ["a" * 64, "b" * 64]) is None
    assert group_keys(["1"], ["a" * 64]) == group_keys(["1.0"], ["a" * 64])


def test_photos_without_parts_join_those_with_parts():
    rng = np.random.default_rng(8)
    profile = reference(50, rng)
    bare, parted = window(profile, rng), window(profile, rng)
    parted = replace(parted, seen=replace(parted.seen, groups=np.repeat(parted.keys[:25], 2)))
    for joined in (bare.with_others(parted), parted.with_others(bare)):
        assert joined.seen.independent == 75 and len(joined.seen) == 100
    assert profile.sketched(line(9, rng)).clusters is None


def test_a_history_with_groups_of_others_is_damaged():
    rng = np.random.default_rng(9)
    one = window(reference(50, rng), rng)
    other = replace(one, seen=replace(one.seen, groups=one.keys[:9]))
    with pytest.raises(ValueError, match="a window has groups of the shape"):
        Measured.read(other.to_bytes(), one.seen)
