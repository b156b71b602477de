"""The page: complete, self-contained, and safe whatever the data is called."""

import html.parser

import pytest

from kerasrecipes.report.html import main_evaluation, render_html
from kerasrecipes.report.run_report import RunReport
from kerasrecipes.report.words import duration, found_of, share, size

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(html.parser.HTMLParser):
    """Collect tags, attributes and text, and check that every tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], ""
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += " ".join(data.split()) + " "


def test_the_page_says_it_in_plain_words(report):
    page = Page(render_html(report, {"confusion_matrix": b"png"}))
    evaluation = report.evaluations["test"]
    worst = evaluation.worst_first()[0]
    for expected in [
        "Know this first",
        "part 7 is in train and test.",
        "Few photos of 'a'.",
        f"Of {worst.support} “{worst.name}” photos, {evaluation.found(worst.name)} were found",
        f"{evaluation.accuracy.low:.1%} to {evaluation.accuracy.high:.1%}",
        "Stage 'head': 2 of 2 epochs in 41 s",
        "4.0 MB",
        "98.3%",
        "−0.3 (−1.2 to +0.6) points",
        "4.7 / 3.0 ms (1 / 2 threads)",
        "✓ same",
        "Apache-2.0",
        "3 files could not be used.",
        "1 leak between the splits",
        "[224, 224]",
    ]:
        assert expected in page.text, expected
    assert page.text.index("Know this first") < page.text.index("Accuracy")


def test_the_page_loads_nothing_from_elsewhere(report):
    text = render_html(report, {"mistakes": b"\x89PNG", "own plot": b"x"})
    page = Page(text)
    sources = [value for _, name, value in page.attributes if name in {"src", "href"}]
    assert len(sources) == 2 and all(s.startswith("data:image/png;base64,") for s in sources)
    assert "http://" not in text and "https://" not in text and "url(" not in text
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert ("img", "alt", "Own plot") in page.attributes


def test_text_from_the_data_is_never_markup(hostile_report):
    mean = hostile_report.evaluations["test"].class_names[5]
    hostile_report.warnings = [mean]
    hostile_report.data.leaks = [mean]
    hostile_report.data.source = mean
    hostile_report.recipe["backbone"] = mean
    hostile_report.versions[mean] = mean
    hostile_report.exports[0]["quantization"] = mean
    hostile_report.stages[0].name = mean
    hostile_report.stages[0].freeze_table = [
        type(row)(mean, row.layers, row.parameters, row.trained, mean)
        for row in hostile_report.stages[0].freeze_table
    ]
    text = render_html(hostile_report, {mean: b"x"})
    page = Page(text)
    assert "script" not in page.tags and page.tags.count("img") == 1
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in page.text
    text.encode("utf-8")
    assert "\u202e" not in text and "\\u202e" in text


def test_a_report_of_nothing_still_renders():
    page = Page(render_html(RunReport(name="bare", created="2026-01-01")))
    assert "Not evaluated yet. Run" in page.text
    assert "Know this first" not in page.text


def test_undefined_numbers_are_dashes(report):
    from kerasrecipes.evaluation.classification import evaluate_scores

    only = evaluate_scores([0] * 40, [[0.9, 0.1]] * 40, ["ok", "crack"])
    report.evaluations = {"test": only}
    text = render_html(report)
    assert "nan" not in Page(text).text.lower().split()
    assert "no interval" in text and "No photo of &#39;crack&#39;" in text


def test_exports_with_unknown_or_failed_checks(report):
    failure = "accuracy drops by 0.0300, more than 0.01 <b>"
    report.exports = [
        {"format": "tflite", "quantization": "float32"},
        {"format": "tflite", "verification": {"passed": False, "failures": [failure]}},
        {"format": "tflite", "verification": {"latency": {"1": {"median_ms": 2.0}}}},
    ]
    page = Page(render_html(report))
    assert "✗ differs" in page.text and failure in page.text
    assert "2.0 ms (1 thread)" in page.text


def test_the_page_reads_what_verify_writes(report):
    from kerasrecipes.verify.latency import Latency
    from kerasrecipes.verify.tolerance import Tolerance
    from kerasrecipes.verify.verification import Verification

    found = Verification(
        name="tflite-int8",
        photos=656,
        agreement=0.991,
        accuracy=0.883,
        reference_accuracy=0.886,
        accuracy_difference=-0.003,
        difference_interval=(-0.0102, 0.0042),
        largest_gap=0.1,
        size_bytes=3_981_312,
        latency={1: Latency(4.7, 5.1, 50), 2: Latency(3.0, 3.2, 50)},
        ops={"CONV_2D": 35},
        int8_fraction=1.0,
        non_builtin_ops=0,
        tolerance=Tolerance(min_agreement=0.95, max_accuracy_drop=0.01),
    )
    record = {"format": "tflite", "quantization": "int8", "verification": found.to_dict()}
    report.exports = [record]
    text = Page(render_html(report)).text
    for part in ["99.1%", "of 656", "88.3%", "−0.3 (−1.0 to +0.4) points", "4.0 MB", "✓ same"]:
        assert part in text, part
    assert "4.7 / 3.0 ms (1 / 2 threads)" in text


def test_many_leaks_are_counted(report):
    report.data.leaks = [f"part {i}" for i in range(9)]
    text = Page(render_html(report)).text
    assert "Leak: part 4" in text and "Leak: part 5" not in text and "And 4 more leaks." in text


def test_an_interrupted_fit_says_so(report):
    report.interrupted = True
    assert "The fit was stopped by hand before its end" in Page(render_html(report)).text


def test_the_test_photos_lead(report):
    test = report.evaluations["test"]
    assert main_evaluation(report) == ("test", test)
    report.evaluations = {"train": test, "val": test}
    assert main_evaluation(report)[0] == "val"
    assert main_evaluation(RunReport(name="a", created="")) == ("", None)


def test_dishonest_scores_are_said(report):
    from kerasrecipes.evaluation.classification import evaluate_scores

    off = evaluate_scores([0, 1] * 200, [[0.99, 0.01]] * 400, ["ok", "crack"])
    report.evaluations = {"test": off}
    assert "Its scores do not match how often it is right" in render_html(report)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (59.6, "1 min 0 s"), (float("nan"), "–"), (3600, "1 h 0 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_sizes_and_shares():
    assert (size(None), size(13_480_112), size(812)) == ("–", "13.5 MB", "0.8 kB")
    assert (share(1, 3), share(1, 30), share(0, 0)) == ("33%", "3.3%", "0%")


def test_sentences_of_one_and_of_no_photo(report):
    recall = report.evaluations["test"].classes[0].recall
    assert found_of(1, 1, "a", recall).startswith("Of 1 “a” photo, 1 was found (")
    assert found_of(0, 0, "a", recall) == "There was no “a” photo to test on."
