"""Limits that a file must keep to, and files that no other beats."""

from types import SimpleNamespace

import pytest

from kerasrecipes.evaluation.file_limits import FileLimits, pareto_front

SMALL = SimpleNamespace(latency_ms=8.0, size_bytes=1_000_000)
FAST = SimpleNamespace(latency_ms=2.0, size_bytes=4_000_000)


def test_what_keeps_to_the_limits_misses_none():
    assert FileLimits().misses(SMALL) == []
    assert FileLimits(max_latency_ms=8, max_size_mb=1).misses(SMALL) == []


def test_the_closest_is_least_beyond_the_limits_in_all():
    limits = FileLimits(max_latency_ms=1.6, max_size_mb=0.5)
    closest, broken = limits.closest([SMALL, FAST])
    assert closest is SMALL  # 5 times too slow and twice too large; the other 8 times too large
    assert broken == "takes 8 ms, where 1.6 are allowed, and takes 1 MB, where 0.5 are allowed"
    assert [miss.short for miss in limits.misses(FAST)] == ["too slow", "too large"]
    assert [miss.excess for miss in limits.misses(FAST)] == pytest.approx([0.25, 7])


@pytest.mark.parametrize("value", [0, -1, "5", True, float("nan")])
def test_limits_that_nothing_can_keep_to_are_refused(value):
    for name in ("max_latency_ms", "max_size_mb"):
        with pytest.raises(ValueError, match=f"`{name}` must be above 0, or None for no limit, no"):
            FileLimits(**{name: value})


def test_only_what_nothing_beats_is_on_the_front():
    beaten, best, faster, smaller, twin = (3, 5, 4), (0, 5, 4), (5, 1, 4), (5, 5, 1), (0, 5, 4)
    files = [beaten, best, faster, smaller, twin]
    assert pareto_front(files, lambda one: one) == [best, faster, smaller, twin]
