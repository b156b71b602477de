"""The page and the table of a run, made of its log alone."""

import csv
import io
import json
import re

import numpy as np
import pytest

from kerasrecipes.report.run_page import RunPage, metrics_table, render_run
from kerasrecipes.report.validation_section import validation_section

ROWS = [
    {"stage": "head", "epoch": 1, "loss": 1.5, "val_loss": 1.25, "learning_rate": 1e-3},
    {"stage": "head", "epoch": 2, "loss": 0.5, "val_loss": None, "learning_rate": 1e-4},
    {"stage": "top", "epoch": 1, "loss": 1.0, "val_loss": 0.25, "learning_rate": 1e-5, "auc": 0.7},
]
HOSTILE = "=1+1<script>alert(1)</script>"


def points(page):
    return re.findall(r'<polyline points="([^"]*)"', page)


def test_the_table_has_each_epoch_and_no_formula():
    rows = list(csv.DictReader(io.StringIO(metrics_table([*ROWS, {"stage": HOSTILE, "epoch": 2}]))))
    assert [row["loss"] for row in rows] == ["1.5", "0.5", "1.0", ""]
    assert rows[1]["val_loss"] == "" and rows[2]["auc"] == "0.7"
    assert rows[3]["stage"] == f"'{HOSTILE}"


def test_curves_go_where_the_numbers_do_and_break_where_there_is_none():
    page = render_run("tiles", "running", ROWS, {})
    # Of training, and of validation in two parts; the lowest of both lies at the bottom.
    assert points(page)[0] == "0.0,0.0 240.0,96.0 480.0,48.0"
    assert points(page)[1:3] == ["0.0,24.0 0.0,24.0", "480.0,120.0 480.0,120.0"]
    # Of rates the logarithm: the middle one is in the middle.
    assert points(page)[3] == "0.0,0.0 240.0,60.0 480.0,120.0"
    assert '<meta http-equiv="refresh" content="10">' in page
    assert "refresh" not in render_run("tiles", "finished", ROWS, {})


def test_text_is_never_markup_and_nothing_is_loaded():
    rows = [{"stage": HOSTILE, "epoch": 1, f"val_{HOSTILE}": 1.0}]
    page = render_run(HOSTILE, HOSTILE, rows, {"Recipe": {HOSTILE: HOSTILE}})
    assert "<script" not in page and "http://" not in page and "https://" not in page


def test_classes_are_called_what_they_are_called():
    class Texts(list):
        class_names, labels = ("dot", "Line", "große"), (0, 1, 2, 2)
        noun, modality = ("text", "texts"), "texts"

    answers = np.eye(3)[[0, 1, 2, 0]]
    section = validation_section(Texts("abcd"), answers, "top")
    page = render_run("tiles", "running", ROWS, {}, [section])
    heads = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', page)
    assert heads[-4:] == ["Is, and is called", *Texts.class_names]
    assert "3 of 4 texts right" in page


@pytest.mark.parametrize("log", ["", "\xff\n{", '{"epoch": 1}\n[]\n7\n{"epoch"', '{"loss": 1}'])
def test_a_log_that_is_damaged_is_shown_as_far_as_it_goes(log, tmp_path):
    (tmp_path / "metrics.jsonl").write_bytes(log.encode("latin-1"))
    RunPage(tmp_path, "metrics.jsonl").write()
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 1 + ('"epoch": 1' in log)


def test_a_browser_shows_it_and_loads_it_anew(tmp_path, open_page):
    log = tmp_path / "metrics.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in ROWS[:2]))
    run = RunPage(tmp_path, log.name, {"Recipe": {"backbone": "efficientnet_lite0"}})
    run.write()
    page = open_page((tmp_path / "index.html").as_uri(), viewport={"width": 390, "height": 800})
    assert page.locator("figure svg").count() == 2
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    log.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    run.write("finished")
    page.reload()
    assert page.locator("figure svg").count() == 3
    assert "Finished." in page.locator("body").inner_text()
