"""The slider: it says what the evaluation says, at every threshold, in Python and in a browser."""

import json
import re

import numpy as np
import pytest

from kerasrecipes.data.specs import AbstainBand, Alarm, OutputSpec
from kerasrecipes.evaluation.operating.thresholds import AlarmScores
from kerasrecipes.report.html import render_html
from kerasrecipes.report.threshold_section import MOST_LABELS, threshold_sections
from kerasrecipes.report.threshold_slider import CountedScores
from kerasrecipes.statistics.shares import counted_share

from .conftest import HOSTILE, report_of

TWO = OutputSpec(name="scores", task="classification", class_names=("ok", HOSTILE[0]))
MEGABYTE = 1_000_000


def labels_of(count, n, seed=0):
    rng = np.random.default_rng(seed)
    targets = (rng.random((n, count)) < 0.3).astype(np.float32)
    answers = np.clip(rng.random((n, count)) * 0.7 + 0.3 * targets, 0, 1).astype(np.float32)
    names = tuple(f"label {k}" for k in range(count))
    return OutputSpec(name="scores", task="multi_label", class_names=names), targets, answers


def slider_of(*args, **options):
    (section,) = threshold_sections(*args, **options)
    return section.slider


@pytest.mark.parametrize("groups", [None, np.arange(500) // 3])
@pytest.mark.parametrize("alarm", [None, 0.3712345])
def test_at_every_threshold_it_counts_as_the_evaluation_does(make_scores, groups, alarm):
    targets, answers = make_scores(3, n=500)
    # Scores that lie on a threshold, too.
    answers[:200] = np.round(answers[:200], 3)
    names = ("a", "b", "c")
    chosen = Alarm(classes=("b", "c"), threshold=alarm or 0.5)
    output = OutputSpec(name="scores", task="classification", class_names=names, alarm=chosen)
    (found,) = slider_of(output, targets, answers, groups).questions
    scores = AlarmScores.of(answers, targets, names, ("b", "c"), groups)
    assert (found.positives, found.negatives) == (len(scores.positive), len(scores.negative))
    for threshold in (*np.arange(0, 10_001, 7) / 10_000, chosen.threshold):
        point = scores.point(float(threshold))
        shares = point.recall.value, point.false_rejects.value
        told = np.divide(found.at(threshold), (found.positives, found.negatives))
        assert tuple(told) == shares
    row = next(row for row in found.table().rows if "as chosen" in row[0])
    assert counted_share(found.at(chosen.threshold)[0], found.positives).percent(1) in row[1]


def test_each_label_has_its_own_threshold_and_one_class_of_two_is_the_others_rest():
    output, targets, answers = labels_of(3, 60)
    limits = OutputSpec(**{**output.model_dump(), "thresholds": (0.2, 0.4, 0.6)})
    asked = slider_of(limits, targets, answers).questions
    assert [(one.about, one.chosen) for one in asked] == [
        ("label 0", 0.2), ("label 1", 0.4), ("label 2", 0.6)
    ]  # fmt: skip
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    first, second = slider_of(TWO, np.array([0, 1, 1]), scores).questions
    assert (first.about, first.at(0.4)) == (HOSTILE[0], (2, 0))
    assert (second.about, second.at(0.6), second.chosen) == ("ok", (1, 1), 0.5)


def test_there_is_none_where_no_threshold_decides(make_scores):
    targets, answers = make_scores(3)
    three = OutputSpec(name="scores", task="classification", class_names=("a", "b", "c"))
    assert threshold_sections(three, targets, answers) == []
    assert threshold_sections(TWO, np.zeros(4, int), np.full((4, 2), 0.5)) == []
    band = TWO.model_copy(update={"abstain": AbstainBand(least=(0.2, 0.2))})
    targets, answers = make_scores(2)
    assert {one.chosen for one in slider_of(band, targets, answers).questions} == {None}


@pytest.mark.parametrize(("count", "n"), [(2, 5_000), (20, 5_000), (300, 5_000), (20, 100_000)])
def test_the_page_of_many_examples_is_small(report, count, n):
    sections = threshold_sections(*labels_of(count, n))
    left_out = f"{count - MOST_LABELS} labels with the fewest photos are left out."
    assert (left_out in " ".join(map(str, sections[0].content))) == (count > MOST_LABELS)
    assert len(render_html(report, {}, sections)) < 5 * MEGABYTE


def test_its_data_holds_numbers_alone_and_its_policy_lets_one_script_run(report, make_scores):
    page = render_html(report, {}, threshold_sections(TWO, *make_scores(2), noun="text"))
    (told,) = re.findall(r'application/json" id="threshold-data">(.*?)</script>', page)
    data = json.loads(told)
    assert not re.search(r"[a-z]{3}", re.sub(r'"\w+":', "", told).replace("null", ""))
    assert len(data["questions"]) == 2 and "validation split" in page and "photo of" not in told
    assert page.count("<script") == 2 and "script-src 'sha256-" in page
    assert not re.search(r"<[^>]+\son\w+=", page)
    assert "script-src" not in render_html(report)


def told_by(page):
    parts = ("recall", "false_alarms", "precision", "found", "missed", "wrong", "quiet")
    return [page.inner_text(f'[data-part="{part}"]') for part in parts]


def expected(counted: CountedScores, threshold):
    found, wrong = counted.at(threshold)
    n, m = counted.positives, counted.negatives
    shares = (found, n), (wrong, m), (found, found + wrong)
    shares = [counted_share(*one).percent(1) for one in shares]
    return shares + [f"{count:,}" for count in (found, n - found, wrong, m - wrong)]


def test_in_a_browser_it_says_the_same_by_keys_alone(open_page, tmp_path):
    output, targets, answers = labels_of(2, 2_016)
    # Shares such as 1/16 = 6.25% are halves of the last digit.
    answers[:1_260, 1] = np.round(answers[:1_260, 1] * 16) / 16
    output = OutputSpec(**{**output.model_dump(), "thresholds": (0.4312345, 0.5)})
    sections = threshold_sections(output, targets, answers)
    path = tmp_path / "page.html"
    path.write_text(render_html(report_of(HOSTILE), {}, sections), encoding="utf-8")
    page = open_page(path.as_uri())
    first, second = sections[0].slider.questions
    assert told_by(page) == expected(first, 0.4312345)
    page.focus("#threshold")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("#threshold", "aria-valuetext") == "0.432"
    assert told_by(page) == expected(first, 0.432)
    page.keyboard.press("End")
    assert told_by(page) == expected(first, 1.0)
    page.click("[data-part=back]")
    assert told_by(page) == expected(first, 0.4312345)
    page.select_option("#threshold-of", index=1)
    for threshold in (0, 0.0625, 0.5, 0.625, 0.9999, *np.arange(1, 80) / 80):
        page.fill("[data-part=exact]", str(threshold))
        assert told_by(page) == expected(second, threshold), threshold


def test_without_scripts_a_table_is_there(open_page, tmp_path, report, make_scores):
    alarm = Alarm(classes=("a",), threshold=0.37)
    names = ("a", "b", "c")
    output = OutputSpec(name="scores", task="classification", class_names=names, alarm=alarm)
    path = tmp_path / "page.html"
    sections = threshold_sections(output, *make_scores(3))
    path.write_text(render_html(report, {}, sections), encoding="utf-8")
    page = open_page(path.as_uri(), java_script_enabled=False)
    assert not page.is_visible("#threshold") and page.is_visible("text=0.37, as chosen")
