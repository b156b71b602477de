"""What results of all tasks have in common: JSON, text, tables, notes, groups."""

import json
import math
import tracemalloc
from dataclasses import fields

import numpy as np
import pytest

from kerasrecipes.errors import DataError
from kerasrecipes.evaluation.base import Result, latency_summary
from kerasrecipes.evaluation.classification import Evaluation, evaluate_scores
from kerasrecipes.evaluation.multi_label import MultiLabelEvaluation, evaluate_labels
from kerasrecipes.evaluation.ordinal import OrdinalEvaluation, evaluate_order
from kerasrecipes.evaluation.regression import RegressionEvaluation, evaluate_numbers
from kerasrecipes.evaluation.scores import group_numbers
from kerasrecipes.statistics.estimate import Estimate

NAMES = ["new", "<b>worn</b>\n", "日本 broken"]


def classification(n=60, **options):
    rng = np.random.default_rng(0)
    return evaluate_scores(rng.integers(3, size=n), rng.dirichlet(np.ones(3), n), NAMES, **options)


def multi_label(n=60, **options):
    rng = np.random.default_rng(0)
    targets = rng.random((n, 3)) < [0.5, 0.2, 0]
    return evaluate_labels(targets, rng.random((n, 3)), NAMES, **options)


def regression(n=60, **options):
    rng = np.random.default_rng(0)
    targets = rng.normal(size=n)
    return evaluate_numbers(targets, targets + rng.normal(size=n), unit="mm", **options)


def ordinal(n=60, **options):
    rng = np.random.default_rng(1)
    return evaluate_order(rng.integers(3, size=n), rng.dirichlet(np.ones(3), n), NAMES, **options)


TASKS = {
    "classification": (classification, Evaluation, "accuracy"),
    "multi_label": (multi_label, MultiLabelEvaluation, "mean_average_precision"),
    "regression": (regression, RegressionEvaluation, "mean_absolute_error"),
    "ordinal": (ordinal, OrdinalEvaluation, "mean_absolute_error"),
}
WITH_GROUPS = [classification, multi_label, regression, ordinal]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("n", [1, 60])
def test_json_holds_all_of_a_result(task, n):
    make, kind, _ = TASKS[task]
    found = make(n, latency_ms=[1.0, 2.0])
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert kind.from_dict(json.loads(text)) == found
    assert found.to_dict()["task"] == task == kind.task
    assert len(text) < 5000  # no arrays


@pytest.mark.parametrize("task", TASKS)
def test_models_are_compared_by_one_number(task):
    make, kind, field = TASKS[task]
    found = make()
    assert isinstance(found, Result) and found.headline is getattr(found, field)
    assert kind.headline_name == field.replace("_", " ")
    assert kind.higher_is_better == (field != "mean_absolute_error")


def test_results_from_before_tasks_can_be_read():
    found = classification()
    old = {key: value for key, value in found.to_dict().items() if key != "task"}
    assert Evaluation.from_dict(old) == found


def test_a_result_of_another_task_or_a_damaged_one_is_refused():
    data = regression().to_dict()
    with pytest.raises(DataError, match="of the task 'regression', and Evaluation reads 'class"):
        Evaluation.from_dict(data)
    del data["bias"]
    with pytest.raises(DataError, match="The evaluation lacks 'bias'. The file is damaged"):
        RegressionEvaluation.from_dict(data)
    data = ordinal().to_dict()
    del data["classes"][1]["recall"]
    with pytest.raises(DataError, match="The evaluation lacks 'recall'"):
        OrdinalEvaluation.from_dict(data)


@pytest.mark.parametrize("task", TASKS)
def test_the_text_is_made_of_summary_tables_and_notes(task):
    found = TASKS[task][0](20, latency_ms=[1.0, 2.0])
    lines = str(found).splitlines()
    assert lines[: len(found.summary())] == found.summary()
    assert any(line.startswith("latency per ") and "1.5 ms" in line for line in lines)
    (table,) = found.tables()
    assert "\n".join(table.lines()) in str(found)
    assert {len(row) for row in table.rows} == {len(table.columns)}
    end = lines.index("In brackets: 95% confidence intervals.")
    assert lines[end + 1 :] == [f"Note: {note}" for note in found.notes]
    assert any(note.startswith("Only 20 ") for note in found.notes)


def test_a_second_table_brings_the_titles():
    class Two(RegressionEvaluation):
        def tables(self):
            return super().tables() * 2

    found = regression()
    two = Two(**{field.name: getattr(found, field.name) for field in fields(found)})
    assert str(two).count("\nErrors\n") == 2 and "\nErrors\n" not in str(found)


@pytest.mark.parametrize("make", WITH_GROUPS)
def test_groups_are_counted_and_widen_the_intervals(make):
    alone = make(60)
    rng = np.random.default_rng(0)
    few = make(60, groups=[f"part {i // 12}" for i in range(60)])
    assert "Intervals are from whole groups, 5 in all. With so few" in " ".join(few.notes)
    many = make(60, groups=rng.permutation(60) // 2)
    assert "Intervals are from whole groups, 30 in all." in many.notes
    assert few.headline.value == alone.headline.value
    assert few.headline.low != alone.headline.low
    assert make(60, groups=range(60)) == make(60, groups=[None] * 60) == alone
    one = make(60, groups=["a"] * 60)
    assert f"All {one.item}s are of one group" in " ".join(one.notes)
    low, high = one.headline.low, one.headline.high
    assert math.isnan(low) or (low, high) == (0, 1)
    assert make(60, groups=["a"] * 60).from_dict(json.loads(json.dumps(one.to_dict()))) == one


@pytest.mark.parametrize("make", WITH_GROUPS)
def test_groups_must_fit(make):
    with pytest.raises(DataError, match="`groups` must have one row per example. Received: 2 rows"):
        make(60, groups=["a", "b"])
    with pytest.raises(DataError, match=r"`groups` must be one-dimensional.*\(60, 1\)"):
        make(60, groups=np.zeros((60, 1)))


def test_groups_are_numbered_as_they_come():
    assert group_numbers(["b", "a", None, "b", None], 5).tolist() == [0, 1, 2, 0, 3]
    assert group_numbers(None, 5) is None and group_numbers([3, 2, 1], 3) is None


def test_the_seed_decides_intervals_only():
    for make in WITH_GROUPS:
        assert make(seed=1) == make(seed=1) != make(seed=2)
        assert make(seed=1).headline.value == make(seed=2).headline.value


def test_latency_is_the_median_and_the_95th_percentile():
    assert latency_summary(range(101)) == {"median": 50.0, "p95": 95.0}
    assert latency_summary(None) is None and latency_summary([]) is None


def test_every_estimate_of_a_result_has_its_value_in_its_interval():
    for make in WITH_GROUPS:
        found = make(200)
        pairs = [value for value in vars(found).values() if isinstance(value, Estimate)]
        assert len(pairs) >= 5
        assert all(one.low <= one.value <= one.high for one in pairs)


@pytest.mark.parametrize("task", ["classification", "multi_label", "ordinal"])
def test_many_classes_cost_no_more_than_their_scores(task):
    """A table of all pairs of classes for each example would take hundreds of times as much."""
    names, rng = [f"c{i}" for i in range(400)], np.random.default_rng(0)
    labels, scores = rng.permutation(800) % 400, rng.dirichlet(np.ones(400), 800)
    evaluate = {"classification": evaluate_scores, "ordinal": evaluate_order}.get(task)
    tracemalloc.start()
    if evaluate:
        found = evaluate(labels, scores, names)
    else:
        found = evaluate_labels(np.eye(400, dtype=int)[labels], scores, names)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 80e6 + 10 * scores.nbytes
    told = json.dumps(found.to_dict())
    assert len(told) < 500_000
    assert type(found).from_dict(json.loads(told)) == found


@pytest.mark.parametrize(
    ("confusion", "message"),
    [
        ({"shape": [10**9, 10**9], "cells": []}, "of 1000000000 by 1000000000 cells"),
        ({"shape": [-1, -1], "cells": []}, "of -1 by -1 cells"),
        ({"shape": [2, 2], "cells": [[2, 0, 1]]}, "of 2 by 2 has no cell 2, 0"),
        ({"shape": [2, 2], "cells": [[0, 1]]}, "`confusion` is damaged"),
        ({}, "`confusion` is damaged"),
    ],
)
def test_tables_that_are_damaged(confusion, message):
    told = classification().to_dict() | {"confusion": confusion}
    with pytest.raises(DataError, match=message):
        Evaluation.from_dict(told)


def parts_of(task, rng, parts):
    """Six examples of each part, of which the model misjudges many or few, and its result."""
    groups = np.arange(6 * parts) // 6
    off = rng.random(6 * parts) < rng.beta(0.4, 0.8, parts)[groups]
    labels = rng.integers(3, size=6 * parts)
    said = np.where(off, (labels + 1) % 3, labels)
    scores = np.where(said[:, None] == np.arange(3), 0.8, 0.1)
    evaluate, given = {
        "multi_label": (evaluate_labels, (np.eye(3, dtype=int)[labels], scores, NAMES)),
        "ordinal": (evaluate_order, (labels, scores, NAMES)),
        "regression": (evaluate_numbers, (labels * 1.0, labels + off + 0.1)),
    }[task]
    return lambda known: evaluate(*given, groups=groups if known else None).headline


@pytest.mark.parametrize("task", ["multi_label", "ordinal", "regression"])
def test_groups_are_covered_where_examples_alone_are_not(task):
    rng, covered, rounds = np.random.default_rng(0), np.zeros(2), 50
    truth = parts_of(task, rng, 1000)(known=False).value
    for _ in range(rounds):
        measure = parts_of(task, rng, 12)
        found = [measure(known) for known in (True, False)]
        covered += [one.low <= truth <= one.high for one in found]
    assert covered[0] / rounds >= 0.86 > 0.8 > covered[1] / rounds
