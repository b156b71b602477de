"""What was asked and answered, kept in a file of bounded size."""

import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from kerasrecipes.errors import DataError
from kerasrecipes.serve.entry import JournalCounts, JournalEntry
from kerasrecipes.serve.journal import Journal

FULL = JournalEntry(
    request_id="full",
    at=12.5,
    bundle="tiles",
    version=3,
    digest="ab",
    label="crack",
    confidence=0.75,
    abstained=False,
    alarm=True,
    novelty=2.5,
    number=1.25,
    answer=(0.25, 0.75),
    inputs={"brightness": 0.5},
    features=(1.5, -2.0),
    latency_ms=7.5,
    degraded="hot",
    stands_for=4,
)


def entry(name: str, **more) -> JournalEntry:
    return JournalEntry(request_id=name, **more)


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.db") as one:
        yield one


def names(journal, **which) -> list[str]:
    return [line.entry.request_id for line in journal.lines(**which)]


def test_lines_are_read_as_they_were_written(journal):
    assert journal.add([FULL, entry("bad", at=1.0, error="too large")]) == 2
    lines = list(journal.lines())
    assert [line.entry for line in lines] == [FULL, entry("bad", at=1.0, error="too large")]
    assert [line.row for line in lines] == [1, 2] and lines[0].truth is None


def test_the_same_request_counts_once(journal):
    assert journal.add([entry("a"), entry("b"), entry("a", label="other")]) == 2
    assert journal.add([entry("a")]) == 0
    assert journal.counts() == JournalCounts(2, 0, 0, 0, duplicates=2)


def test_order_is_of_arrival_whatever_the_clock_says(journal):
    journal.add([entry("first", at=4e9), entry("second", at=0.0), entry("third", at=-1e12)])
    assert names(journal) == ["first", "second", "third"]
    assert names(journal, after=1) == ["second", "third"]


def test_lines_are_of_one_bundle_where_asked(journal):
    journal.add([entry(f"{i}", digest="even" if i % 2 == 0 else "odd") for i in range(5)])
    assert names(journal, digest="odd") == ["1", "3"]


def test_more_lines_than_are_read_at_once(journal):
    journal.add([entry(f"{i}") for i in range(2500)])
    journal.tell({f"{i}": "good" for i in range(2499, 1000, -1)})
    assert names(journal) == [f"{i}" for i in range(2500)]
    assert names(journal, labelled_after=0) == [f"{i}" for i in range(2499, 1000, -1)]


def test_labels_come_later_and_may_be_corrected(journal):
    journal.add([entry("a"), entry("b")])
    assert journal.tell({"b": "good", "x": "good"}) == ("x",)
    journal.tell({"a": ("dusty", "torn")})
    (b, a) = journal.lines(labelled_after=0)
    assert (b.truth, a.truth) == ("good", ("dusty", "torn"))
    journal.tell({"b": 2.5})
    (again,) = journal.lines(labelled_after=a.truth_row)
    assert again.truth == 2.5 and again.entry.request_id == "b"
    assert journal.counts().truths == 2


def test_a_label_may_come_before_its_prediction(journal):
    assert journal.tell({"later": "good"}, early=True) == ("later",)
    journal.add([entry("later")])
    assert [line.truth for line in journal.lines()] == ["good"]


def test_the_oldest_make_room_and_are_counted(tmp_path, capsys):
    with Journal(tmp_path / "journal.db", most_bytes=1 << 20) as journal:
        for start in range(0, 4000, 500):
            many = [entry(f"{i}", answer=(0.5,) * 100) for i in range(start, start + 500)]
            journal.add(many)
            journal.tell({one.request_id: "good" for one in many})
        left, counts = names(journal), journal.counts()
        assert left == [f"{i}" for i in range(4000 - len(left), 4000)]
        assert 1000 < len(left) == counts.entries == 4000 - counts.dropped_entries < 2500
        assert counts.truths == 4000 - counts.dropped_truths == counts.entries
    assert (tmp_path / "journal.db").stat().st_size < 1.5 * (1 << 20)
    assert capsys.readouterr().err.count("from now on the oldest predictions make room") == 1


def test_labels_of_nothing_make_room_too(tmp_path):
    with Journal(tmp_path / "journal.db", most_bytes=1 << 20) as journal:
        for start in range(0, 20_000, 10_000):
            journal.tell({f"{i:060}": "good" for i in range(start, start + 10_000)}, early=True)
        counts = journal.counts()
        assert counts.truths + counts.dropped_truths == 20_000 and counts.dropped_truths


def test_what_a_device_sends_twice_counts_once_even_after_it_was_dropped(tmp_path):
    with Journal(tmp_path / "journal.db", most_bytes=1 << 20) as journal:
        first = [(i, entry(f"{i}", answer=(0.5,) * 500)) for i in range(1, 301)]
        assert journal.receive("device 1", first) == 300
        journal.add([entry(f"x{i}", answer=(0.5,) * 500) for i in range(600)])
        assert not names(journal, digest="") or "1" not in names(journal)
        assert journal.receive("device 1", first) == 0
        assert journal.receive("device 1", [(300, first[-1][1]), (310, entry("new"))]) == 1
        assert journal.receive("device 2", [(1, entry("other"))]) == 1
        with pytest.raises(ValueError, match=r"must rise from line to line. Received: \[2, 2\]"):
            journal.receive("device 1", [(2, FULL), (2, FULL)])


KILLED = """
import os, signal, sys
from kerasrecipes.serve.entry import JournalEntry
from kerasrecipes.serve.journal import Journal
journal = Journal(sys.argv[1])
for i in range(1000):
    journal.add([JournalEntry(request_id=f"{i}a"), JournalEntry(request_id=f"{i}b")])
    print(i, flush=True)
"""


def test_what_was_written_survives_a_kill_and_pairs_stay_whole(tmp_path):
    path = tmp_path / "journal.db"
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE, text=True
    )
    said = [int(child.stdout.readline()) for _ in range(20)]
    os.kill(child.pid, signal.SIGKILL)
    said += [int(line) for line in child.stdout.read().split("\n")[:-1]]
    child.wait()
    child.stdout.close()
    with Journal(path) as journal:
        left = names(journal)
    assert len(left) % 2 == 0 and len(left) >= 2 * len(said)
    assert left[: 2 * len(said)] == [f"{i}{side}" for i in said for side in "ab"]


def test_what_is_no_journal_is_refused(tmp_path):
    with pytest.raises(DataError, match="There is no folder"):
        Journal(tmp_path / "none" / "journal.db")
    with pytest.raises(DataError, match="it is no file. Restore it from a copy, or name a new"):
        Journal(tmp_path)
    (tmp_path / "text").write_text("some text that is long enough" * 100)
    with pytest.raises(DataError, match="file is not a database. Restore it"):
        Journal(tmp_path / "text")
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE mine (x)")
    other.close()
    with pytest.raises(DataError, match="it is none. Name another file"):
        Journal(tmp_path / "other.db")
    with pytest.raises(ValueError, match="`most_bytes` must be at least 1,048,576"):
        Journal(tmp_path / "journal.db", most_bytes=10)


def test_newer_and_damaged_journals_say_so(tmp_path):
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        journal.add([FULL])
    sql = sqlite3.connect(path, isolation_level=None)
    sql.execute("UPDATE entries SET inputs = '{'")
    with Journal(path) as journal, pytest.raises(DataError, match="line 1 is damaged: it is not"):
        names(journal)
    sql.execute("PRAGMA user_version = 9")
    with pytest.raises(DataError, match="written by a newer version"):
        Journal(path)
    sql.close()


def test_a_journal_of_the_version_before_goes_on(tmp_path):
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        journal.add([entry("a")])
    sql = sqlite3.connect(path, isolation_level=None)
    sql.execute("ALTER TABLE entries DROP degraded")
    sql.execute("PRAGMA user_version = 1")
    sql.close()
    for _ in range(2):
        with Journal(path) as journal:
            journal.add([FULL])
            assert [line.entry.degraded for line in journal.lines()] == ["", "hot"]


def test_a_full_disk_is_told_and_nothing_is_half_written(journal):
    journal.add([entry("a")])
    journal._connection.execute(f"PRAGMA max_page_count = {journal._ask('PRAGMA page_count')}")
    with pytest.raises(OSError, match=r"Nothing was saved in .*journal.db"):
        journal.add([entry("b"), entry("c", answer=(0.5,) * 10_000)])
    assert names(journal) == ["a"]
