"""A world that changes is seen, one that does not is not, and the past never leaks."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.errors import DataError


@pytest.fixture(scope="module")
def timed(tiny):
    """120 photos, one each hour; from the 80th on, two colours have changed their names."""

    def make(changed: bool, groups=None):
        pixels, labels = tiny.colour_photos(120, seed=5)
        names = [tiny.CLASS_NAMES[k] for k in labels]
        if changed:
            swap = {"blue": "green", "green": "blue"}
            names[80:] = [swap.get(one, one) for one in names[80:]]
        photos = kr.photos_from_arrays(pixels, names)
        start = datetime(2026, 1, 1, tzinfo=UTC)
        items = [
            replace(one, time=start + timedelta(days=i), group=groups and groups[i])
            for i, one in enumerate(photos.items)
        ]
        return photos.with_items(items)

    return make


def test_a_change_is_seen_in_its_window_and_nothing_before(timed, tiny_spec):
    report = kr.evaluate_over_time(timed(True), windows=5, backbone=tiny_spec())
    assert [one.n for one in report.windows] == [20] * 5
    assert [one.learned for one in report.windows] == [20, 40, 60, 80, 100]
    values = [one.quality.value for one in report.windows]
    assert min(values[1:3]) > values[3] + 0.25
    assert report.windows[3].start == "2026-03-22"
    json.dumps(report.to_dict(), allow_nan=False)
    calm = kr.evaluate_over_time(timed(False), windows=2, backbone=tiny_spec())
    assert "No window is shown to be worse" in str(calm)


def test_parts_of_the_past_are_left_out(timed, tiny_spec):
    groups = [f"p{i % 60 if i % 2 else i}" for i in range(120)]  # odd ones come again after 60
    report = kr.evaluate_over_time(timed(False, groups), windows=1, backbone=tiny_spec())
    (window,) = report.windows
    assert (window.n, window.left_out) == (30, 30) and "left out" in str(report)


def test_photos_without_time_or_with_too_few_times_are_refused(timed, tiny_spec):
    photos = timed(False)
    none = photos.with_items([replace(photos.items[0], time=None), *photos.items[1:]])
    with pytest.raises(DataError, match="1 of 120 photos have no time"):
        kr.evaluate_over_time(none, backbone=tiny_spec())
    with pytest.raises(DataError, match="`windows=5` needs more than 5 different times"):
        kr.evaluate_over_time(photos.select(np.arange(5)), backbone=tiny_spec())
    with pytest.raises(ValueError, match="`windows` must be a whole number"):
        kr.evaluate_over_time(photos, windows=0)
