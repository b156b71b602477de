"""A watch over a journal: what is an alarm, what is not, and what is remembered between runs."""

import json
import math

import pytest

import kerasrecipes as kr
from kerasrecipes.cli import main
from kerasrecipes.watching.budgets import too_many


def run(journal, watched, **settings):
    return kr.watch_journal(journal, watched.folder, settings=kr.WatchSettings(**settings))


def causes(found) -> list[str]:
    return [one.cause for one in found.alarms]


def test_what_is_as_it_was_is_quiet_and_each_line_is_looked_at_once(journal, watched, predict):
    predict(450, seed=2)
    found = run(journal, watched)
    assert not found.alarm and not found.is_insufficient
    assert found.drift.verdict == "no change seen" and found.drift.look == 2
    assert found.facts.requests == 450 and found.facts.p95_ms == 5.0
    assert found.drift.expected_quality.value == pytest.approx(0.9, abs=0.05)
    assert [name for name, _ in found.facts.labels] and "answer 'dot'" in str(found)
    again = run(journal, watched)
    assert again.drift.verdict == "insufficient data" and again.drift.examples == 50
    assert again.facts.requests == 0 and len(again.looks) == 2
    predict(150, seed=3)  # with the 50 that waited a whole window
    assert run(journal, watched).drift.look == 3


def test_a_change_of_the_light_is_an_alarm_that_stays(journal, watched, predict):
    predict(200, seed=2)
    predict(200, seed=3, brightness=0.8)
    found = run(journal, watched)
    assert causes(found) == ["drift"]
    assert (
        found.alarms[0].told.startswith("since look 2 (") and "brightness" in found.alarms[0].told
    )
    assert causes(run(journal, watched)) == ["drift"]  # nothing new, and not over


def test_a_model_that_is_wrong_more_often_is_known_by_late_labels_alone(journal, watched, predict):
    truths = predict(100, seed=2)
    wrong = predict(100, seed=4, wrong=0.4)
    run(journal, watched)
    journal.tell(truths)
    found = run(journal, watched)
    assert not found.alarm and found.quality.look == 1
    assert found.quality.measured_quality.value == pytest.approx(0.9, abs=0.08)
    journal.tell({**wrong, "unknown": "dot"})
    found = run(journal, watched)
    assert causes(found) == ["quality"]
    assert found.quality.measured_quality.value == pytest.approx(0.6, abs=0.12)
    assert "since look" in found.alarms[0].told


def test_labels_that_the_model_cannot_answer_are_left_out_and_told(journal, watched, predict):
    truths = predict(100, seed=2)
    journal.tell({name: "scratch" if name.endswith("7") else said for name, said in truths.items()})
    found = run(journal, watched)
    assert found.quality.examples == 90
    assert "10 labels are none that the model can answer." in str(found)


def test_errors_and_latency_have_budgets_of_their_own(journal, watched, predict):
    budgets = {"max_error_fraction": 0.01, "max_p95_ms": 50.0}
    predict(300, seed=2)
    found = run(journal, watched, **budgets)
    assert not found.alarm
    assert [one.said for one in found.budgets] == [
        "0 of 300 (0.00%) got no answer; 1.00% may",
        "0 of 300 (0.00%) waited longer than 50 ms; 5.00% may",
    ]
    predict(60, seed=5, error="too large", latency_ms=2.0)
    predict(140, seed=6, latency_ms=80.0, degraded="slow")
    found = run(journal, watched, **budgets, runbook="https://wiki/x#{cause}")
    assert causes(found) == ["errors", "latency"]
    assert found.alarms[0].told.startswith("60 of 200 (30.00%) got no answer")
    assert found.alarms[1].runbook == "https://wiki/x#latency"
    assert (found.facts.errors, found.facts.degraded) == (60, 140)
    assert "answered by a smaller model" in str(found)
    # Evidence fades while all is well again.
    for seed in range(10, 15):
        predict(20, seed=seed)
        found = run(journal, watched, **budgets)
    assert not found.alarm


def test_a_bound_is_never_below_the_exact_tail():
    for of in (10, 200):
        for bad in range(of + 1):
            exact = sum(math.comb(of, k) * 0.05**k * 0.95 ** (of - k) for k in range(bad, of + 1))
            assert too_many(bad, of, 0.05) >= exact * (1 - 1e-9)
    assert too_many(0, 5, 0.0) == 1.0 and too_many(1, 5, 0.0) == 0.0


def test_without_features_what_is_known_is_compared(journal, watched, predict):
    predict(200, seed=2)
    bare = [line.entry.model_copy(update={"features": (), "inputs": {}, "request_id": f"b{i}"})
            for i, line in enumerate(journal.lines())]  # fmt: skip
    with kr.Journal(journal.path.with_name("bare.db")) as other:
        other.add(bare)
        found = run(other, watched)
    assert found.drift.verdict == "no change seen"
    assert {one.family for one in found.drift.shifts} == {"answers"}


def test_another_journal_or_model_is_told(journal, watched, predict, tmp_path):
    predict(300, seed=2)
    history = tmp_path / "looks.db"
    kr.watch_journal(journal, watched.folder, history=history)
    with (
        kr.Journal(tmp_path / "new.db") as other,
        pytest.raises(kr.DataError, match="ends at line 0, and .* has looked at line 300"),
    ):
        kr.watch_journal(other, watched.folder, history=history)
    with pytest.raises(kr.DataError, match="There is no journal"):
        kr.watch_journal(tmp_path / "none.db", watched.folder)
    text = tmp_path / "text.db"
    text.write_text("no database at all" * 100)
    with pytest.raises(kr.DataError, match="cannot be used to remember looks"):
        kr.watch_journal(journal, watched.folder, history=text)


def test_the_command_ends_with_a_code_and_writes_a_dashboard(journal, watched, predict, capsys):
    def end(*more) -> int:
        with pytest.raises(SystemExit) as ended:
            main(["monitor", str(journal.path), "--bundle", str(watched.folder), *more])
        return ended.value.code

    assert end() == 6 and "too little to tell" in capsys.readouterr().out
    predict(200, seed=2)
    assert end() == 0
    predict(400, seed=3, brightness=0.9)
    page = journal.path.with_name("page.html")
    capsys.readouterr()
    assert end("--json", "--html", str(page)) == 5
    told = json.loads(capsys.readouterr().out)
    assert told["alarms"][0]["cause"] == "drift" and told["facts"]["requests"] == 400
    text = page.read_text()
    assert "<polyline" in text and 'role="alert"' in text and "<script" not in text
