"""Trials are kept, gone on with, shared by processes; and minutes hold."""

import os
import signal
import time

import numpy as np
import pytest

from kerasrecipes import DataError
from kerasrecipes.tuning.deadline import Deadline
from kerasrecipes.tuning.trials import Trials

CANDIDATES = [{"a": a, "b": b} for a in "123" for b in "12"]


def opened(folder, **identity):
    return Trials(folder, "heads", {"photos": "x", **identity}, CANDIDATES)


def measure(place):
    return np.array([place, 1.0]), {"judged": [0, 1]}


def after(count):
    """Say yes so many times."""
    left = iter([True] * count)
    return lambda: next(left, False)


def test_what_was_tried_is_not_tried_again(tmp_path):
    first = opened(tmp_path / "run")
    first.run(measure, after(2))
    assert [one.number for one in first.done()] == [0, 1]
    tried = []
    second = opened(tmp_path / "run")
    second.run(lambda place: tried.append(place) or measure(place), lambda: True)
    # Another process that began earlier finds nothing left to do.
    first.run(lambda place: pytest.fail("it is tried already"), lambda: True)
    assert tried == [2, 3, 4, 5]
    done = first.done()
    assert [one.number for one in done] == list(range(6))
    assert done[3].costs.tolist() == [3, 1] and done[3].told["judged"] == [0, 1]
    importance = first.importance()
    assert importance["a"] > importance["b"]


def test_what_was_broken_off_is_tried_once_more(tmp_path):
    def interrupted(place):
        if place == 1:
            raise KeyboardInterrupt
        return measure(place)

    with pytest.raises(KeyboardInterrupt):
        opened(tmp_path).run(interrupted, lambda: True)
    again = opened(tmp_path)
    assert [one.number for one in again.done()] == [0]
    again.run(measure, lambda: True)
    assert [one.number for one in again.done()] == list(range(6))


def test_another_search_is_not_mixed_with_it(tmp_path):
    opened(tmp_path, measure="loss")
    with pytest.raises(DataError, match="a search with other measure. Name another folder"):
        opened(tmp_path, measure="accuracy")


def test_a_file_that_cannot_be_used_is_told_of(tmp_path):
    file = tmp_path / "trials.sqlite"
    for damage in (
        lambda: file.write_bytes(b"[" * 5000),
        lambda: file.write_bytes(b"SQLite format 3\0" + b"\xff" * 200),
        lambda: os.mkfifo(file),
        lambda: file.symlink_to("/dev/zero"),
        lambda: file.symlink_to(tmp_path / "nowhere"),
    ):
        file.unlink(missing_ok=True)
        damage()
        with pytest.raises(DataError, match=r"trials.sqlite' cannot be used to keep what was"):
            opened(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["trials.sqlite"]


def test_a_deadline_ends_what_runs_as_ctrl_c_does():
    with pytest.raises(KeyboardInterrupt), Deadline(0.1 / 60) as deadline:
        time.sleep(10)
    assert deadline.passed and deadline.spent < 5
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_deadline_that_holds_leaves_nothing_behind():
    before = signal.getsignal(signal.SIGALRM)
    with Deadline(1) as deadline:
        assert not deadline.passed and deadline.left > 50
    assert signal.getsignal(signal.SIGALRM) == before


def test_a_deadline_inside_another_leaves_that_one_as_it_was():
    with pytest.raises(KeyboardInterrupt), Deadline(0.3 / 60) as outer:
        with Deadline(5):
            pass
        time.sleep(10)
    assert outer.passed and outer.spent < 5
    with pytest.raises(KeyboardInterrupt), Deadline(0.1 / 60), Deadline(5):
        time.sleep(10)
