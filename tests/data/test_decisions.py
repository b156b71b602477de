"""What people decided, in a file: whole at any time, and nothing of it lost or misread."""

import csv
import os
import re
import subprocess
import sys
import threading

import pytest

from kerasrecipes.data.tables.decisions import (
    CANNOT_TELL,
    EXCLUDE,
    KEEP,
    RELABEL,
    Decision,
    decisions_file,
    holds_decisions,
    read_decisions,
    write_decision,
)
from kerasrecipes.errors import DataError

SHA = "a" * 64


def decide(file, path, decision=KEEP, **more):
    write_decision(file, path, Decision(path, SHA, decision, **more))


def test_decisions_come_back_whatever_they_name(tmp_path):
    file = tmp_path / "labels.csv"
    told = {"who": "=ana", "when": "2026-03-31T14:05:00+00:00", "was": "'-good"}
    names = [
        "good/1.png", "=cmd|' /C calc'!A0", "'=x.png", "two\nlines, \"and\" ; quotes.png",
        " blanks .png", "+1", "@x", "-x", "😀é.png", os.fsdecode(b"\xff\xfe.png"),
    ]  # fmt: skip
    for name in names:
        decide(file, name, RELABEL, label="@scratch", **told)
    assert read_decisions(file) == {
        name: Decision(name, SHA, RELABEL, "@scratch", **told) for name in names
    }
    # A spreadsheet sees no formula.
    with open(file, newline="", encoding="utf-8", errors="surrogateescape") as opened:
        cells = [cell for row in csv.reader(opened) for cell in row]
    assert not [cell for cell in cells if cell and cell[0] in "=+-@"]


def test_the_last_decision_counts_and_can_be_taken_back(tmp_path):
    file = tmp_path / "labels.csv"
    decide(file, "a.png")
    decide(file, "b.png", EXCLUDE)
    decide(file, "a.png", CANNOT_TELL)
    found = read_decisions(file)
    assert {name: one.decision for name, one in found.items()} == {
        "a.png": CANNOT_TELL, "b.png": EXCLUDE,
    }  # fmt: skip
    write_decision(file, "a.png", None)
    assert list(read_decisions(file)) == ["b.png"]
    write_decision(file, "b.png", None)
    assert not file.exists()
    write_decision(file, "b.png", None)
    assert os.listdir(tmp_path) == []


def test_columns_of_other_names_and_other_separators_survive(tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text(f"Path;SHA256;Decision;Label;Note\na.png;{SHA};Keep;;see me\n", "utf-8-sig")
    assert holds_decisions(file)
    decide(file, "b.png")
    decide(file, "a.png", EXCLUDE)
    with open(file, newline="") as opened:
        rows = {row["path"]: row for row in csv.DictReader(opened)}
    assert (rows["a.png"]["decision"], rows["a.png"]["note"]) == ("exclude", "see me")
    assert rows["b.png"]["note"] == ""


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (f"a.png,{SHA},kep,", "row 2 has the decision 'kep', .* Did you mean 'keep'?"),
        (f"a.png,{SHA},relabel,", "row 2 says relabel, but not as what"),
        (f",{SHA},keep,", "row 2 has no path"),
        ("a.png,abc,keep,", "row 2 has a sha256 that is not one"),
        (f"a.png,{SHA},keep,,x", "row 2 has 5 cells under 4 columns"),
        (f"a.png,{SHA},keep,\na.png,{SHA},keep,", "row 3 is a second one about 'a.png'"),
    ],
)
def test_a_wrong_row_is_named_and_nothing_written_over_it(tmp_path, row, message):
    file = tmp_path / "labels.csv"
    file.write_text(f"path,sha256,decision,label\n{row}\n")
    before = file.read_bytes()
    for use in (lambda: read_decisions(file), lambda: decide(file, "b.png")):
        with pytest.raises(DataError, match=re.compile(message, re.DOTALL)):
            use()
    assert file.read_bytes() == before and os.listdir(tmp_path) == ["labels.csv"]


def test_a_time_that_is_none_is_named(tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text(f"path,sha256,decision,label,when\na.png,{SHA},keep,,monday\n")
    with pytest.raises(DataError, match="row 2 has the time 'monday', which is not ISO 8601"):
        read_decisions(file)


def test_a_table_of_labels_is_not_taken_for_decisions(tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text("path,label\na.png,good\n")
    assert not holds_decisions(file) and not holds_decisions(tmp_path / "none.csv")
    with pytest.raises(DataError, match="no column 'sha256'. Name one that .* review"):
        decide(file, "a.png")
    assert file.read_text() == "path,label\na.png,good\n"


def test_a_pipe_beside_photos_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "labels.csv")
    assert not holds_decisions(tmp_path / "labels.csv")


def test_where_decisions_lie(tmp_path):
    (tmp_path / "odd.csv").mkdir()
    assert decisions_file(tmp_path) == tmp_path / "labels.csv"
    assert decisions_file(tmp_path / "odd.csv") == tmp_path / "odd.csv" / "labels.csv"
    assert decisions_file(tmp_path / "t.jsonl") == tmp_path / "t.labels.csv"


def test_two_people_at_once_lose_nothing(tmp_path):
    file = tmp_path / "labels.csv"

    def person(who):
        for i in range(15):
            decide(file, f"{who}{i}.png", who=who)

    threads = [threading.Thread(target=person, args=(who,)) for who in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_decisions(file)) == 30


CHILD = """
import itertools, sys
from pathlib import Path
from kerasrecipes.data.tables.decisions import Decision, write_decision
for i in itertools.count():
    name = f"{i}.png"
    write_decision(Path(sys.argv[1]), name, Decision(name, "a" * 64, "keep"))
    print(i, flush=True)
"""


def test_a_kill_at_any_moment_leaves_all_that_was_decided(tmp_path):
    file = tmp_path / "labels.csv"
    for last in (3, 11):
        command = [sys.executable, "-c", CHILD, str(file)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            while int(child.stdout.readline()) < last:
                pass
            child.kill()
        assert len(read_decisions(file)) >= last + 1
        decide(file, "after.png")
        assert set(os.listdir(tmp_path)) == {"labels.csv"}
