"""What is remembered of looks, and which of them say what is ordinary."""

import pytest

from kerasrecipes.drift.history import DriftHistory, Look, ordinary_p_values, rising_from
from kerasrecipes.errors import DataError


def looks(levels, declared=()) -> list[Look]:
    return [
        Look(n, "2026-01-01", f"{n}", 0.1 * n, 0.1 * n, 0, level, n in declared, "brightness")
        for n, level in enumerate(levels, start=1)
    ]


def test_evidence_rises_from_where_it_last_was_calm():
    assert rising_from(looks([1, 2, 0.5])) == 3
    assert (
        rising_from(looks([1, 40, 2, 30, 600])) == 3
    )  # an excursion that ended, and one that lasts
    assert rising_from(looks([50, 100])) == rising_from([]) == 0


def test_windows_of_a_change_that_lasts_are_not_ordinary_unless_declared():
    assert ordinary_p_values(looks([1, 40, 2, 30, 600])) == pytest.approx([0.1, 0.2, 0.3])
    declared = looks([1, 40, 2, 30, 600], declared={5})
    assert ordinary_p_values(declared) == pytest.approx([0.1, 0.2, 0.3, 0.5])


def test_looks_are_read_as_they_were_written(tmp_path):
    history = DriftHistory(tmp_path / "drift.db", "profile")
    written = [history.add(look) for look in looks([1, 2], declared={2})]
    assert DriftHistory(tmp_path / "drift.db", "profile").looks() == written


def test_a_look_that_came_too_late_is_not_written(tmp_path):
    history = DriftHistory(tmp_path / "drift.db", "profile")
    first, second = looks([1, 2])
    history.add(first)
    with pytest.raises(DataError, match="Another process looked"):
        history.add(first)
    history.add(second)
    assert len(history.looks()) == 2
