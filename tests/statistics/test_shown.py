"""Results in a terminal and in a notebook, from the same parts."""

import inspect
import re
from html.parser import HTMLParser

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.statistics.shown import Shown
from kerasrecipes.statistics.tables import Table

EVIL = "<script>alert(1)</script>"


class Inner(Shown):
    def parts(self):
        return ["inside"]


class Whole(Shown):
    def parts(self):
        yield from ("first", "second", "")
        yield Table("One", ("name", "n"), ((EVIL, "1"), ("b", "22")), right=(1,))
        yield from ("", "below", Inner())
        yield Table("Two", ("", ""), (("label", f"a & {EVIL}\u202e"),))


def test_text_is_the_parts_from_top_to_bottom():
    assert str(Whole()).splitlines() == [
        "first",
        "second",
        "",
        "One",
        f"name{' ' * 21}   n",
        f"{'─' * 25}  ──",
        f"{EVIL}   1",
        f"b{' ' * 24}  22",
        "",
        "below",
        "inside",
        "Two",
        f"label  a & {EVIL}\\u202e",
    ]


class Checked(HTMLParser):
    """Collects tags and text, and sees that what is opened is closed."""

    def __init__(self, html: str):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data.strip())


def test_html_has_tables_and_escapes_everything():
    html = Whole()._repr_html_()
    page = Checked(html)
    assert set(page.tags) == {
        "p", "br", "table", "caption", "thead", "tbody", "tr", "th", "td"
    }  # fmt: skip
    assert "<p>first<br>second</p>" in html
    assert page.tags.count("table") == 2 and page.tags.count("thead") == 1
    assert '<td style="text-align: right">22</td>' in html
    assert EVIL not in html and "&lt;script&gt;" in html and "\u202e" not in html
    assert [text for text in page.text if text][-1].startswith("a & <script>")


PUBLIC = [
    value
    for package in [kr, *filter(inspect.ismodule, (getattr(kr, name) for name in kr.__all__))]
    for value in (getattr(package, name) for name in package.__all__)
    if inspect.isclass(value)
]


def test_whatever_prints_a_table_shows_one():
    shown = {one.__name__ for one in PUBLIC if issubclass(one, Shown)}
    assert shown >= {
        "Ablation", "AdapterSummary", "Benchmark", "BundleEvaluation", "CheckReport", "Evaluation",
        "FreezeSummary", "MultiLabelEvaluation", "OptimizationResult", "OptimizedBundle",
        "OrdinalEvaluation", "ProbeResult", "QuantizationReport", "QuantizationSensitivity",
        "QuantizedModel", "Recommendation", "RegressionEvaluation", "RunReport",
        "Verification", "WeightReport",
    }  # fmt: skip
    # What has a text of its own and no table needs no HTML.
    texts = {one.__name__ for one in PUBLIC if "__str__" in vars(one)} - {"Shown"}
    assert texts <= {
        "BatchNormChange", "Estimate", "GradientCheck", "Latency", "LearningRateSuggestion",
        "Prediction", "PrunedChannels", "RangeOutlier", "Signed",
    }  # fmt: skip


def test_results_of_a_training_show_their_numbers_and_names(small_saved, part_sets):
    scores = np.eye(2)[[0, 1, 0, 1]] * 0.8 + 0.1
    evaluation = kr.evaluation.evaluate_scores([0, 1, 1, 1], scores, [EVIL, "ok"])
    checked = kr.check_photos(*part_sets)
    spec = kr.get_backbone("mobilenet_v2")
    freeze = kr.engine.FreezePolicy(2).apply(spec.build(32, None), spec)
    verification = kr.verify_bundle(small_saved)[0]
    found = [evaluation, checked, freeze, verification, small_saved.report()]
    for one in [*found, kr.benchmark_bundle(small_saved, part_sets[2], runs=10)]:
        html = one._repr_html_()
        page = Checked(html)
        assert "table" in page.tags and EVIL not in html and "script" not in page.tags
        words = set(re.findall(r"\w{3,}", str(one)))
        assert words <= set(re.findall(r"\w{3,}", " ".join(page.text))), type(one).__name__


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_nothing_is_nothing(text):
    class Empty(Shown):
        def parts(self):
            return [text]

    assert Empty()._repr_html_() == ""
