"""The facts of a fit: JSON in and out, text, refusals."""

import datetime
import json
import math
import pathlib

import numpy as np
import pytest

from kerasrecipes.errors import DataError
from kerasrecipes.report.plain_values import plain
from kerasrecipes.report.run_report import DataReport, RunReport, StageReport, stage_sentence


def test_json_round_trip_is_exact(report, hostile_report):
    for one in (report, hostile_report):
        text = one.to_json()
        back = RunReport.from_json(text)
        assert back == one
        assert back.to_json() == text


def test_json_is_strict(report):
    def refuse(token):
        raise AssertionError(token)

    data = json.loads(report.to_json(), parse_constant=refuse)
    assert data["stages"][0]["history"]["val_loss"] == [0.7, None]
    assert data["seeds"] == {"seed": 3}
    assert data["recipe"]["image_size"] == [224, 224]
    assert math.isnan(RunReport.from_dict(data).stages[0].history["val_loss"][1])


def test_json_is_ascii_so_that_any_file_name_survives(hostile_report):
    assert hostile_report.to_json().isascii()


def test_a_diverged_loss_survives():
    stage = StageReport("head", 1, 1, None, 1e-3, 1, 1, history={"loss": [math.inf, -math.inf]})
    assert StageReport.from_dict(json.loads(json.dumps(stage.to_dict()))) == stage


def test_lists_that_grow_after_the_fit_are_written_plainly(report):
    report.exports.append({"agreement": np.float32(0.5), "file": pathlib.PurePosixPath("a/b")})
    assert json.loads(report.to_json())["exports"][-1] == {"agreement": 0.5, "file": "a/b"}


def test_the_text_says_what_happened(report):
    text = str(report)
    assert "Photos: 160 train, 40 val (3 files left out)." in text
    assert "Stage 'head': 2 of 2 epochs in 41 s, 0.076% of the parameters trained" in text
    assert "no epoch was better than the start, which was kept." in text
    assert "Warning: Few photos of 'a'." in text
    assert "Leak: part 7 is in train and test." in text
    assert "On the test photos:" in text and "found (recall)" in text
    assert "Stopped by hand" not in text
    report.interrupted = True
    assert "Stopped by hand before its end; the best weights so far were kept." in str(report)


def test_the_text_is_safe_for_a_terminal(hostile_report):
    assert "\u202e" not in str(hostile_report)


def test_sentence_without_a_known_best_epoch():
    assert stage_sentence(StageReport("a", 1, 0, None, 1e-3, 0, 0)).endswith("trained.")


def test_times_and_totals(report):
    assert report.seconds == pytest.approx(327.7)
    assert report.data.total("train") == 160 and report.data.total("test") == 0
    assert DataReport().total("train") == 0


@pytest.mark.parametrize("data", [{}, [], {"schema": "1"}, None])
def test_what_is_no_report_is_refused(data):
    with pytest.raises(DataError, match="This is not a run report: it has no 'schema' number"):
        RunReport.from_dict(data)


def test_a_report_of_a_newer_version_is_refused(report):
    with pytest.raises(DataError, match=r"has schema 99, and this version .* reads up to 1"):
        RunReport.from_dict(report.to_dict() | {"schema": 99})


def test_a_report_with_a_part_missing_is_refused(report):
    data = report.to_dict()
    del data["name"]
    with pytest.raises(DataError, match="The run report is damaged: it lacks 'name'. Restore"):
        RunReport.from_dict(data)
    data = report.to_dict()
    del data["stages"][0]["epochs_run"]
    with pytest.raises(DataError, match="damaged: `stages.0` lacks 'epochs_run'"):
        RunReport.from_dict(data)


def test_broken_json_is_refused():
    with pytest.raises(DataError, match=r"not valid JSON \(line 1: "):
        RunReport.from_json('{"schema": 1,')


def test_fields_of_a_later_minor_version_are_ignored(report):
    assert RunReport.from_dict(report.to_dict() | {"later": 1}) == report


def test_plain_values():
    given = {
        1: (np.float32(0.5), np.array([1, 2])),
        "day": datetime.date(2026, 1, 2),
        "set": {"b", "a"},
        "yes": np.True_,
        "name": np.str_("x"),
    }
    assert plain(given) == {
        "1": [0.5, [1, 2]],
        "day": "2026-01-02",
        "set": ["a", "b"],
        "yes": True,
        "name": "x",
    }
    assert type(plain(np.str_("x"))) is str


def test_what_has_no_plain_form_is_refused():
    with pytest.raises(TypeError, match=r"A report cannot hold a object .*get_config"):
        plain({"callback": object()})
