import numpy as np
import pytest
from scipy import stats

from kerasrecipes.statistics.sequential import (
    ShiryaevRoberts,
    e_value,
    p_among_earlier,
    student_tail,
)


def looks_until_alarm(p_values, promise) -> int | None:
    watch = ShiryaevRoberts(promise)
    for look, p in enumerate(p_values, start=1):
        watch = watch.after(p)
        if watch.alarm:
            return look
    return None


def test_evidence_against_nothing_is_one_at_most_on_average():
    p = (np.arange(200_000) + 0.5) / 200_000
    assert 0.9 < np.mean([e_value(x) for x in p]) <= 1.0


def test_alarms_without_cause_are_as_rare_as_promised():
    rng = np.random.default_rng(0)
    promise, looks = 100, 50
    alarms = sum(looks_until_alarm(rng.random(looks), promise) is not None for _ in range(600))
    # A mean time of 100 or more until an alarm: at most every second year of 50 looks.
    assert alarms / 600 <= looks / promise


def test_a_small_change_that_lasts_is_seen_sooner_than_by_single_looks():
    rng = np.random.default_rng(1)
    delays = []
    for _ in range(100):
        p = stats.norm.sf(rng.normal(1.0, 1, 100))
        delays.append(looks_until_alarm(p, 520) or 100)
    single = stats.norm.sf(stats.norm.isf(1 / 520) - 1.0)  # how often one look would be enough
    assert np.mean(delays) < 0.7 / single


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 19, 20, 60])
@pytest.mark.parametrize("t", [-2.0, 0.0, 0.4, 2.5, 8.0])
def test_the_tail_of_t_is_that_of_scipy(freedom, t):
    assert student_tail(t, freedom) == pytest.approx(stats.t.sf(t, freedom), abs=1e-12)


def test_windows_that_differ_by_more_than_chance_are_ordinary_after_a_while():
    rng = np.random.default_rng(2)
    # Each window has an offset of its own, so that half of all looks have p < 0.05.
    deviates = rng.normal(1.6, 1.5, (2000, 21))
    p = stats.norm.sf(deviates)
    assert np.mean(p[:, 20] <= 0.05) > 0.4
    used = np.array([p_among_earlier(list(row[:20]), row[20]) for row in p])
    assert np.mean(used <= 0.05) <= 0.065
    # One that is far outside is seen even so.
    assert p_among_earlier(list(p[0][:20]), 1e-30) < 1e-3


def test_earlier_looks_never_accuse():
    assert p_among_earlier([0.9] * 20, 0.3) >= 0.3
    assert p_among_earlier([0.5] * 20, 0.3) >= 0.3


@pytest.mark.parametrize(
    "call",
    [
        lambda: ShiryaevRoberts(1),
        lambda: ShiryaevRoberts(float("nan")),
        lambda: ShiryaevRoberts(100, -1),
        lambda: e_value(1.5),
        lambda: e_value(float("nan")),
        lambda: p_among_earlier([0.5], 0.1),
    ],
)
def test_what_makes_no_sense_is_refused(call):
    with pytest.raises(ValueError, match="must be|needs"):
        call()
