"""Windows of the reference itself: by time or group, and what they excuse."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.drift.comparing import compare_with
from kerasrecipes.drift.judging import judge_alone
from kerasrecipes.drift.observed import Observed
from kerasrecipes.drift.ordinary import ordinary_in, windows_of, with_windows
from kerasrecipes.drift.profile import ReferenceProfile

OUTPUT = OutputSpec(name="scores", task="classification", class_names=("good", "bad"))
MONDAY = datetime(2026, 1, 5)


@dataclass
class Taken:
    time: datetime | None = None
    group: str | None = None


def days(offsets, rng, each=50) -> Observed:
    """Photos of several days, each with a light of its own."""
    light = np.repeat(offsets, each) + rng.normal(0, 1, each * len(offsets))
    scores = np.stack([np.full(len(light), 0.9), np.full(len(light), 0.1)], axis=1)
    scores = scores.astype(np.float32)
    features = rng.normal(size=(len(light), 2)).astype(np.float32)
    return Observed({"brightness": light}, features, scores, np.zeros(len(light)))


@pytest.fixture(scope="module")
def profile():
    rng = np.random.default_rng(0)
    seen = days(rng.normal(0, 0.8, 24), rng)
    items = [Taken(MONDAY + timedelta(days=place // 50)) for place in range(len(seen))]
    return with_windows(ReferenceProfile.of(seen, OUTPUT, "photos"), seen, items)


def test_a_day_that_is_no_stranger_than_others_is_no_alarm(profile):
    assert [size for size, _ in profile.facts.windows] == [50] * 24
    rng = np.random.default_rng(1)
    known = ordinary_in(profile, 50)

    def judged(offset):
        seen = profile.sketched(replace(days([offset], rng), targets=None))
        return judge_alone(compare_with(profile, seen), 520, known)

    strange = judged(1.2)
    assert strange["p_value"] < 1 / 520 and not strange["alarm"] and strange["earlier"] == 24
    assert judged(8.0)["used_p"] < strange["used_p"]
    assert ordinary_in(profile, 101) == []


def test_the_windows_travel_in_the_file(profile, tmp_path):
    profile.write(tmp_path / "profile.npz")
    assert ReferenceProfile.read(tmp_path / "profile.npz").facts.windows == profile.facts.windows


def test_what_was_taken_at_one_time_stays_together():
    times = [Taken(MONDAY + timedelta(days=day)) for day in (3, 1, 2) for _ in range(60)]
    windows = windows_of(times)
    assert [sorted({times[i].time.day for i in window}) for window in windows] == [[6], [7], [8]]
    assert windows_of([*times, Taken()]) == []


def test_groups_are_windows_if_they_are_large_enough():
    parts = [Taken(group=name) for name in "a" * 60 + "b" * 55 + "c" * 9]
    assert [len(window) for window in windows_of(parts)] == [60, 55]
    seen = days([0.0], np.random.default_rng(2))
    profile = ReferenceProfile.of(seen, OUTPUT, "photos")
    assert with_windows(profile, seen, [Taken()] * 50) is profile
