"""Splits: nothing that belongs together is parted, and every side gets its share."""

import dataclasses
import random
import warnings
from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from kerasrecipes.errors import DataError
from kerasrecipes.photos.split import split_photos
from kerasrecipes.report.html import render_html
from kerasrecipes.report.run_report import RunReport
from kerasrecipes.training.fitting import checked_examples

START = datetime(2026, 1, 1, tzinfo=UTC)


def paths(*sets):
    return [{photo.path for photo in one.photos} for one in sets]


def days(*numbers):
    return [START + timedelta(days=number) for number in numbers]


def test_random_splits_are_stratified_exactly(make):
    photos = make.photo_set(["a"] * 100 + ["b"] * 50 + ["c"] * 10)
    train, val, test = split_photos(photos)
    assert train.counts() == {"a": 60, "b": 30, "c": 6}
    assert val.counts() == test.counts() == {"a": 20, "b": 10, "c": 2}
    assert train.class_names == photos.class_names and train.policy == photos.policy
    train, val, test = split_photos(photos, test_fraction=0, val_fraction=0.1)
    assert (len(train), len(val), len(test)) == (144, 16, 0)
    assert test.counts() == {"a": 0, "b": 0, "c": 0}
    assert len(split_photos(photos, test_fraction=0, val_fraction=0)[0]) == 160


def test_the_seed_and_the_contents_decide_and_nothing_else(make):
    photos = make.photo_set(["a"] * 40 + ["b"] * 40, alike=[i // 2 for i in range(80)])
    first = paths(*split_photos(photos, seed=3))
    assert first == paths(*split_photos(photos, seed=3))
    assert first != paths(*split_photos(photos, seed=4))
    shuffled = list(photos.photos)
    random.Random(0).shuffle(shuffled)
    assert first == paths(
        *split_photos(dataclasses.replace(photos, photos=tuple(shuffled)), seed=3)
    )


@pytest.mark.parametrize(
    ("by", "near", "sides"),
    [
        (
            "random",
            True,
            "teeetttttettttttttttvtvvveettteteveettttttvttteeettvttttvtvvvttevvtvtttt",
        ),
        (
            "random",
            False,
            "tetttvvvvtevtttteeevtetttttevvtvtetttettevetttttettvtttttttevtttettvvttt",
        ),
        ("group", True, "tttteetttvttvttteevttevvtttteetttvttvttteevttevvtttteetttvttvttteevttevv"),
        ("time", True, "tttteeveetttteettttttettttttvvtvvtvvttttttvttttttvvtttttvevvtttveeteetee"),
    ],
)
def test_splits_stay_what_they_were(make, by, near, sides):
    """Copies, look-alikes in chains, groups and gaps, as an earlier version split them."""
    photos = make.photo_set(
        [f"class {i * i % 7 % 3}" for i in range(72)],
        contents=[i - i % 9 // 8 for i in range(72)],
        alike=[i // 4 if i % 3 else None for i in range(72)],
        groups=[f"part {i * 5 % 24}" for i in range(72)],
        times=days(*(i * 7 % 50 for i in range(72))),
    )
    found = paths(*split_photos(photos, split_by=by, near=near, seed=5))
    letters = ["".join("tve"[k] for k in range(3) if p.path in found[k]) for p in photos.photos]
    assert "".join(letters) == sides


@st.composite
def random_sets(draw):
    n = draw(st.integers(30, 120))
    labels = [f"c{draw(st.integers(0, 2))}" for _ in range(n)]
    groups = [f"g{draw(st.integers(0, 25))}" for _ in range(n)]
    contents = [draw(st.integers(0, n)) for _ in range(n)]
    alike = [draw(st.one_of(st.none(), st.none(), st.integers(0, 40))) for _ in range(n)]
    by_content = {}
    alike = [by_content.setdefault(c, a) for c, a in zip(contents, alike, strict=True)]
    return labels, groups, contents, alike


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(random_sets(), st.sampled_from(["random", "group"]), st.integers(0, 5))
def test_nothing_that_belongs_together_is_parted(make, drawn, by, seed):
    labels, groups, contents, alike = drawn
    if by == "random":
        groups = None
    photos = make.photo_set(labels, groups=groups, contents=contents, alike=alike)
    try:
        sides = split_photos(photos, split_by=by, seed=seed)
    except DataError as error:
        assert "too small to split" in str(error) or "No split was found" in str(error)
        return
    place = {p.path: k for k, side in enumerate(sides) for p in side.photos}
    assert sum(map(len, sides)) == len(photos) == len(place)
    for side in sides:
        assert set(side.counts()) == {n for n, k in side.counts().items() if k}
    together = [contents, groups] if groups else [contents, alike]
    for keys in together:
        seen = {}
        for photo, key in zip(photos.photos, keys, strict=True):
            if key is not None:
                assert seen.setdefault(key, place[photo.path]) == place[photo.path]


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.integers(5, 90), min_size=2, max_size=5),
    st.sampled_from([(0.2, 0.2), (0.1, 0.3), (0.0, 0.25), (0.5, 0.1)]),
)
def test_fractions_are_met_within_one_photo_per_class(make, sizes, fractions):
    photos = make.photo_set([f"c{k}" for k, n in enumerate(sizes) for _ in range(n)])
    sides = split_photos(photos, test_fraction=fractions[0], val_fraction=fractions[1])
    wanted = (1 - sum(fractions), fractions[1], fractions[0])
    for side, fraction in zip(sides, wanted, strict=True):
        for name, total in photos.counts().items():
            assert abs(side.counts()[name] - fraction * total) <= (1 if fraction else 0)


def test_hundreds_of_classes_are_split_without_a_table_for_each_photo(make, monkeypatch):
    photos = make.photo_set([f"c{i % 500:03}" for i in range(2000)])
    monkeypatch.setattr(Counter, "__add__", None)  # which would copy all classes
    sides = split_photos(photos, near=False)
    assert [len(side) for side in sides] == [1000, 500, 500]
    assert all(set(side.counts().values()) <= {1, 2} for side in sides)


def test_groups_come_close_to_the_fractions(make):
    rng = np.random.default_rng(0)
    groups = [f"g{i}" for i in rng.integers(0, 150, 900)]
    labels = [f"c{i}" for i in rng.integers(0, 3, 900)]
    photos = make.photo_set(labels, groups=groups)
    sides = split_photos(photos)
    for side, fraction in zip(sides, (0.6, 0.2, 0.2), strict=True):
        assert abs(len(side) / 900 - fraction) < 0.02
        for name, total in photos.counts().items():
            assert abs(side.counts()[name] / total - fraction) < 0.04


def test_sides_remember_how_they_were_made(make):
    photos = make.photo_set(["a", "b"] * 20)
    parts = make.photo_set(["a", "b"] * 20, groups=[str(i // 2) for i in range(40)])
    declared = make.photo_set(["a", "b"] * 20, splits=["train"] * 30 + ["test"] * 10)
    for scanned, by, way in (
        (photos, "auto", "random"),
        (parts, "auto", "group"),
        (parts, "random", "random"),
        (declared, "auto", "declared"),
        (declared, "random", "random"),
    ):
        sides = split_photos(scanned, split_by=by)
        assert {side.select([0]).split_by for side in sides} == {way}
    assert photos.split_by == ""
    data = checked_examples(*split_photos(parts)[:2])
    assert data.split_by == "group"
    report = RunReport("a", "2026", data=data)
    assert "Split by group." in str(report) and "Split by group." in render_html(report)
    assert checked_examples(sides[0], split_photos(parts)[1]).split_by == ""


def test_the_declared_split_is_respected_and_completed(make):
    splits = ["train"] * 60 + ["test"] * 20
    photos = make.photo_set(["a", "b"] * 40, splits=splits, alike=[0, 0] + [None] * 78)
    train, val, test = split_photos(photos)
    assert {photo.split for photo in test.photos} == {"test"}
    assert (len(train), len(val), len(test)) == (48, 12, 20)
    everywhere = make.photo_set(["a", "b"] * 40, splits=["train", "train", "val", "val"] * 20)
    assert [len(s) for s in split_photos(everywhere, test_fraction=0)] == [40, 40, 0]
    assert [len(s) for s in split_photos(everywhere, test_fraction=0.1)] == [36, 40, 4]
    assert [len(s) for s in split_photos(everywhere, split_by="random")] == [48, 16, 16]
    with pytest.raises(DataError, match="declared split has no train photos"):
        split_photos(make.photo_set(["a", "b"] * 4, splits=["val"] * 8))
    with pytest.raises(DataError, match="1 of 4 photos have no declared split"):
        split_photos(make.photo_set(list("abab"), splits=["train", "val", None, "test"]))


def test_auto_keeps_groups_and_random_does_not(make):
    groups = [f"g{i // 6}" for i in range(180)]
    photos = make.photo_set(["a", "b"] * 90, groups=groups)
    for by, parted in (("auto", False), ("group", False), ("random", True)):
        found = [{photo.group for photo in one.photos} for one in split_photos(photos, split_by=by)]
        assert bool(found[0] & found[1]) is parted


def test_declared_groups_outrank_looks(make):
    groups = [f"g{i // 2}" for i in range(60)]
    photos = make.photo_set(["a", "b"] * 30, groups=groups, alike=[0] * 60)
    assert [len(one) for one in split_photos(photos)] == [36, 12, 12]
    with pytest.raises(DataError, match=r"too small .* 'a' \(30 photos, 1 independent\)"):
        split_photos(photos, split_by="random")
    assert len(split_photos(photos, split_by="random", near=False)[1]) == 12


def test_time_trains_on_the_past(make):
    photos = make.photo_set(["a", "b"] * 50, times=days(*(i // 3 for i in range(100))))
    train, val, test = split_photos(photos, split_by="time")
    times = [[photo.time for photo in one.photos] for one in (train, val, test)]
    assert max(times[0]) < min(times[1]) and max(times[1]) < min(times[2])
    assert [abs(len(t) - n) <= 2 for t, n in zip(times, (60, 20, 20), strict=True)] == [True] * 3
    train, val, test = split_photos(photos, split_by="time", test_fraction=0)
    assert len(test) == 0 and max(p.time for p in train.photos) < min(p.time for p in val.photos)


def test_a_copy_from_the_past_goes_with_the_newest(make):
    contents = [0, *range(1, 49), 0]
    photos = make.photo_set(["a", "b"] * 25, times=days(*range(50)), contents=contents)
    _, _, test = split_photos(photos, split_by="time")
    assert {photos.photos[0].path, photos.photos[49].path} <= paths(test)[0]


def test_classes_that_time_parts_are_named(make):
    with pytest.raises(DataError, match="training set has no photo of 'b'"):
        split_photos(
            make.photo_set(["a"] * 40 + ["b"] * 10, times=days(*range(50))), split_by="time"
        )
    photos = make.photo_set(["b"] * 10 + ["a"] * 40, times=days(*range(50)))
    with pytest.warns(UserWarning, match="The test set has no photo of 'b'"):
        split_photos(photos, split_by="time")
    with pytest.raises(DataError, match=r"at least 3 different times .* found 1"):
        split_photos(make.photo_set(["a", "b"] * 5, times=days(*[0] * 10)), split_by="time")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_fraction": 1}, "`test_fraction` must be at least 0 and less than 1"),
        ({"val_fraction": -0.1}, "`val_fraction` must be at least 0"),
        ({"val_fraction": float("nan")}, "`val_fraction` must be at least 0"),
        ({"test_fraction": 0.5, "val_fraction": 0.5}, "must leave photos to train on"),
        ({"split_by": "groups"}, "Unknown split_by 'groups'. Did you mean 'group'"),
        (
            {"split_by": "group"},
            r"`split_by='group'`: 8 of 8 photos have no group: .* group_by \(--group-by\)",
        ),
        ({"split_by": "time"}, "`split_by='time'`: 8 of 8 photos have no time: .* a column time"),
    ],
)
def test_wrong_arguments(make, options, message):
    with pytest.raises(ValueError, match=message):
        split_photos(make.photo_set(list("abababab")), **options)


def test_too_little_to_split_states_the_consequence(make):
    with pytest.raises(DataError, match="There are no photos to split"):
        split_photos(make.photo_set(["a", "b"]).select([]))
    message = r"1 classes are too small .* 'b' \(2 photos, 2 independent\).*test_fraction=0"
    with pytest.raises(DataError, match=message):
        split_photos(make.photo_set(["a"] * 9 + ["b"] * 2))
    split_photos(make.photo_set(["a"] * 9 + ["b"] * 2), test_fraction=0)
    groups = [f"g{i}" for i in range(9)] + ["h0", "h0", "h1", "h1"]
    with pytest.raises(DataError, match=r"'b' \(4 photos, 2 independent\).*could not learn it"):
        split_photos(make.photo_set(["a"] * 9 + ["b"] * 4, groups=groups))
    # Every group of `c` also holds most of `b`: three sides of each cannot be had.
    mixed = make.photo_set(
        ["a", "b", "b", "c", "a", "c", "b", "c"],
        groups=["1", "1", "2", "2", "3", "3", "1", "3"],
    )
    with pytest.raises(DataError, match=r"too small to split|No split was found"):
        split_photos(mixed)


def test_a_missing_class_in_a_declared_side_warns(make):
    splits = ["train"] * 8 + ["val"] * 2 + ["test"] * 2
    photos = make.photo_set(list("abababababaa"), splits=splits)
    with pytest.warns(UserWarning, match="The test set has no photo of 'b'"):
        split_photos(photos)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        split_photos(photos, split_by="random")
