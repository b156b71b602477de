"""Is a difference of two models on the same rows called one only as often as chance may be?"""

import numpy as np
import pytest

from kerasrecipes.statistics.paired import mcnemar_p_value, sign_flip_p_value
from kerasrecipes.statistics.paired_change import PairedChange, holm_adjusted, swap_p_value

DRAWS = 200


def test_rights_and_wrongs_are_judged_by_mcnemar():
    differences = np.array([1] * 9 + [-1] + [0] * 20)
    assert swap_p_value(differences) == mcnemar_p_value(1, 9)
    groups = np.arange(30) // 3
    assert swap_p_value(differences, groups) == sign_flip_p_value(differences, groups)
    # Numbers that are not whole are swapped at random, to the same end.
    assert swap_p_value(differences / 3) == pytest.approx(mcnemar_p_value(1, 9), abs=0.006)


@pytest.mark.parametrize("grouped", [False, True])
def test_models_that_are_equally_good_differ_as_seldom_as_stated(grouped):
    rng = np.random.default_rng(5)
    groups = np.arange(60) // 3 if grouped else None
    found = []
    for _ in range(DRAWS):
        noise = rng.normal(0, 1, 20)[np.arange(60) // 3] if grouped else 0
        found.append(swap_p_value(rng.normal(0, 1, 60) + noise, groups) < 0.05)
    assert 0.02 < np.mean(found) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / DRAWS)


def test_of_many_changes_one_is_shown_as_seldom_as_of_one():
    rng = np.random.default_rng(6)

    def change(before, after):
        return PairedChange.of("x", before, after)

    found = [
        min(
            one.p_value
            for one in holm_adjusted(
                [change(*(rng.random((2, 50)) < 0.7)) for _ in range(8)],
            )
        )
        for _ in range(DRAWS)
    ]
    assert np.mean(np.array(found) < 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(found))


def test_holm_is_as_in_the_paper_and_keeps_the_order():
    ones = np.ones(50)
    same = PairedChange.of("same", ones, ones)
    changes = [same, *(PairedChange.of(str(k), ones, np.arange(50) >= k) for k in (12, 8))]
    raw = [one.p_value for one in changes]
    found = [one.p_value for one in holm_adjusted(changes)]
    assert found == [1.0, 3 * raw[1], 2 * raw[2]]


def test_which_way_is_better_is_known():
    rng = np.random.default_rng(0)
    errors = rng.random(200)
    change = PairedChange.of(
        "error", errors + 0.5, errors, higher_is_better=False, is_share=False, unit="mm"
    )
    assert change.verdict() == 1 and change.high < 0
    assert change.written()[0].endswith(" mm")
    assert PairedChange.of("error", errors, errors, is_share=False).verdict() == 0
