"""When a smaller model answers: hot or slow, and back with some distance."""

import json
from itertools import pairwise

import pytest

from kerasrecipes.edge.sparing import COOLER, Sparing, celsius_of


def test_it_is_hot_until_it_is_some_degrees_cooler(tmp_path):
    sparing, seen = Sparing(), []
    (tmp_path / "temp").write_text("59999\n")
    assert celsius_of(str(tmp_path / "temp")) == 59.999
    for celsius in (59.9, 60.0, 58.0, 60.0 - COOLER + 0.1, 60.0 - COOLER, 59.9):
        sparing.felt(celsius, 60.0)
        sparing.took(1e9, 1.0)  # while it is hot, how slow the smaller one is tells nothing
        seen.append(sparing.why)
    assert seen == ["", "hot", "hot", "hot", "", ""] and sparing.switched == 1


def simulated(usual_ms, answers: int, limit: float = 100.0) -> list[str]:
    """Which model answers, where the usual one takes so long, and the smaller one 10 ms."""
    sparing, seen = Sparing(), []
    for number in range(answers):
        seen.append(sparing.why)
        sparing.took(10.0 if sparing.why else usual_ms(number), limit)
    assert sparing.switched == sum(b > a for a, b in pairwise([*seen, sparing.why]))
    return seen


def test_a_single_slow_answer_changes_nothing():
    assert not any(simulated(lambda n: 500.0 if n % 3 else 5.0, 300))


def test_what_stays_slow_is_tried_ever_more_rarely():
    seen = simulated(lambda n: 500.0, 5000)
    assert seen[:3] == [""] * 3 and seen[3:23] == ["slow"] * 20 and seen[23] == ""
    assert seen[26:66] == ["slow"] * 40 and seen[66] == ""
    assert seen[2500:].count("") <= 4 * 3


def test_it_recovers_and_is_patient_no_longer_than_it_must():
    seen = simulated(lambda n: 500.0 if n < 100 or 1000 <= n < 1003 else 5.0, 1100)
    assert not any(seen[200:1000])
    # After so many quick answers, a new slow spell is a first one.
    assert seen[1003:1023] == ["slow"] * 20 and not any(seen[1023:])


@pytest.mark.parametrize(
    "text",
    ["", "0", "[]", "{", "[" * 99_999, '{"why": "odd"}', '{"wait": 0}', '{"count": "1"}',
     '{"count": true}', '{"more": 1}'],
)  # fmt: skip
def test_what_is_kept_of_it_comes_back_and_what_is_damaged_begins_anew(text):
    assert Sparing.read(text) == Sparing()
    kept = Sparing("slow", 7, 40, 3)
    assert Sparing.read(kept.text()) == kept and json.loads(kept.text())["wait"] == 40
