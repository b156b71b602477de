"""The worst slice is found where there is one, and its interval knows how many were looked at."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from kerasrecipes.errors import DataError
from kerasrecipes.evaluation import evaluate_slices
from kerasrecipes.evaluation.slices.cutting import NOT_GIVEN, cut
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.simultaneous import mean_of


def drawn(rng, share=0.85, n=300, cameras=10):
    """Right answers that do not depend on the camera."""
    right = (rng.random(n) < share).astype(float)
    return right, {"camera": rng.integers(0, cameras, n).astype(str).tolist()}


def test_all_intervals_hold_at_once_and_no_slice_is_accused_by_chance():
    held = accused = plain = 0
    draws = 300
    for seed in range(draws):
        right, columns = drawn(np.random.default_rng(seed))
        report = evaluate_slices(right, columns)
        held += all(one.quality.low <= 0.85 <= one.quality.high for one in report.slices)
        accused += report.worst.shown
        rows = [np.array(columns["camera"]) == one.value for one in report.slices]
        alone = [mean_of(right[chosen]) for chosen in rows]
        plain += all(one.low <= 0.85 <= one.high for one in alone)
    assert held / draws >= 0.94 and accused / draws <= 0.05
    assert plain / draws < 0.85  # what intervals say that each hold for one slice alone


def test_groups_are_respected_and_widen_the_intervals():
    held = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        parts = np.repeat(np.arange(60), 5)
        camera = np.repeat(rng.integers(0, 4, 60), 5)
        right = (rng.random(300) < rng.beta(4, 1, 60)[parts]).astype(float)
        report = evaluate_slices(right, {"camera": [f"c{one}" for one in camera]}, groups=parts)
        held += all(one.quality.low <= 0.8 <= one.quality.high for one in report.slices)
    assert held / 150 >= 0.94
    assert report.groups == 60 and "They go by 60 groups" in str(report)
    alone = evaluate_slices(right, {"camera": [f"c{one}" for one in camera]})
    widths = [{s.value: s.quality.high - s.quality.low for s in r.slices} for r in (report, alone)]
    assert all(widths[0][name] > widths[1][name] for name in widths[1])


def test_the_worst_slice_is_named_first_whatever_a_single_photo_says():
    rng = np.random.default_rng(0)
    right, _ = drawn(rng, 0.95, 600)
    camera = np.array(["left", "right", "top"])[np.arange(600) % 3]
    right[(camera == "top") & (rng.random(600) < 0.4)] = 0
    camera[0], right[0] = "once", 0
    report = evaluate_slices(right, {"camera": camera})
    assert (report.worst.value, report.worst.shown) == ("top", True)
    assert report.worst.gap.high < 0 and "camera: top" in str(report).splitlines()[0]
    once = next(one for one in report.slices if one.value == "once")
    assert once.n == 1 and not once.shown and once.quality.high - once.quality.low > 0.5
    json.dumps(report.to_dict(), allow_nan=False)


def test_errors_are_worse_when_they_are_larger():
    rng = np.random.default_rng(1)
    errors = np.abs(rng.normal(size=400))
    errors[:100] *= 3
    batch = np.repeat(["a", "b", "c", "d"], 100)
    report = evaluate_slices(
        errors, {"batch": batch}, quality_name="mean error", higher_is_better=False
    )
    assert report.worst.value == "a" and report.worst.gap.low > 0 and report.worst.shown
    single = evaluate_slices(errors[:11], {"b": ["x"] * 10 + ["y"]}, quality_name="mean error")
    assert not any(one.shown for one in single.slices)
    assert np.isnan(next(one for one in single.slices if one.value == "y").quality.low)


def test_amounts_times_and_names_are_cut_as_they_are_meant():
    found = cut("width", [*range(100)], 100)
    assert list(found) == ["0 to 24", "25 to 49", "50 to 74", "75 to 99"]
    assert [rows.sum() for rows in found.values()] == [25] * 4
    start = datetime(2026, 1, 1, tzinfo=UTC)
    times = [start + timedelta(days=i) for i in range(80)]
    assert next(iter(cut("time", times, 80))) == "2026-01-01 to 2026-01-20"
    names = cut("camera", ["C1", "c1 ", None, "", "C2", float("nan")], 6)
    assert {name: rows.sum() for name, rows in names.items()} == {"C1": 2, "C2": 1, NOT_GIVEN: 3}
    few = cut("camera", [1, 2.0, "2", 1] * 3, 12)
    assert {name: rows.sum() for name, rows in few.items()} == {"1": 6, "2": 6}
    hours = cut("time", [start + timedelta(hours=i / 4) for i in range(40)], 40)
    assert len(hours) == 4 and sum(rows.sum() for rows in hours.values()) == 40
    ties = cut("noise", [0.0] * 50 + list(range(1, 11)), 60)
    assert sum(rows.sum() for rows in ties.values()) == 60


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"camera": ["a"] * 40}, "All 40 examples have the same `camera`, 'a'"),
        ({"camera": [None] * 40}, "have the same `camera`, '.not given.'"),
        ({"path": [f"{i}.png" for i in range(40)]}, "`path` has 40 different values for 40"),
        ({"camera": ["a", "b"]}, "columns.*camera.* must have one row per example"),
        ({}, "at least one thing to cut by"),
    ],
)
def test_columns_that_tell_nothing_are_refused(columns, message):
    with pytest.raises(DataError, match=message):
        evaluate_slices(np.arange(40) % 2, columns)


def test_numbers_without_a_spread_have_no_interval():
    assert mean_of(np.array([])).to_list() == [None] * 3
    assert mean_of(np.array([2.5])).to_list() == [2.5, None, None]
    assert mean_of(np.array([2.5, 3.5]), np.array([0, 0])).to_list() == [3.0, None, None]
    assert isinstance(mean_of(np.array([1.0, np.inf])), Estimate)
    constant = evaluate_slices(np.ones(40), {"camera": ["a", "b"] * 20})
    assert not constant.worst.shown
