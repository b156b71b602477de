"""Answers of very many photos: the same bytes, whoever writes them and whatever is killed."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

import kerasrecipes as kr
from kerasrecipes.cli import main
from kerasrecipes.errors import DataError, IntegrityError
from kerasrecipes.scoring import local, scoring
from kerasrecipes.scoring.job import PLAN, Job
from kerasrecipes.scoring.shard import scorer_of

SHARDS = 9


@pytest.fixture(scope="module")
def photos(tiny, tmp_path_factory):
    """A folder with 70 photos, one of them damaged; not to be changed."""
    root = tmp_path_factory.mktemp("many")
    (root / "line 2").mkdir()
    for number, photo in enumerate(tiny.colour_photos(70, seed=80)[0]):
        (root / "line 2" / f"{number:03}.png").write_bytes(tiny.png(photo))
    (root / "line 2" / "037.png").write_bytes(b"no photo")
    return root


@pytest.fixture
def inline(monkeypatch):
    """Shards are answered in this process, since starting others takes a second each."""

    def run(job, to, shards, workers):
        for number, names in shards:
            scorer_of(job).score(to, number, names)
            yield number

    monkeypatch.setitem(scoring.ENGINES, "local", run)


@pytest.fixture(scope="module")
def scored(exported_once, photos, tmp_path_factory):
    """What one worker wrote without any trouble, and what it told."""
    to = tmp_path_factory.mktemp("scored") / "scores"
    return to, kr.score(exported_once, photos, to, shard_size=8)


def written(folder):
    """All that a job has written, but for its lock."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_answers_are_those_of_predict(scored, exported_once, photos):
    to, found = scored
    rows = [json.loads(line) for path in sorted(to.glob("scores-*")) for line in path.open()]
    answers = [one.to_dict() for one in kr.Predictor(exported_once).predict(photos)]
    for row, one in zip(rows, answers, strict=True):
        assert str(photos / row.pop("path")) == one.pop("path") and row == one
    assert (found.rows, found.failed, found.shards, found.shards_now) == (70, 1, SHARDS, SHARDS)
    assert "not a photo" in rows[37]["error"] and sum(dict(found.labels).values()) == 69
    assert "70 photos in 9 shards, 1 of them not usable." in str(found)
    assert "the model brings no profile" in str(found) and found.drift is None
    assert json.loads((to / "summary.json").read_text()) == found.to_dict()


def test_a_worker_that_is_killed_is_replaced(scored, exported_once, photos, tmp_path, monkeypatch):
    begun, begin = [], local.process_beside
    monkeypatch.setattr(
        local, "process_beside", lambda code: begun.append(begin(code)) or begun[-1]
    )
    answer = local._Worker.answer

    def killed_first(self, number, names):
        if number == 3:
            begun[0].kill()
        answer(self, number, names)

    monkeypatch.setattr(local._Worker, "answer", killed_first)
    found = kr.score(exported_once, photos, tmp_path / "other", shard_size=8)
    assert found.shards_now == SHARDS and len(begun) == 2
    assert written(tmp_path / "other") == written(scored[0])


def test_ctrl_c_tells_what_is_kept(exported_once, photos, tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt
        yield

    monkeypatch.setitem(scoring.ENGINES, "local", interrupted)
    words = ("score", exported_once.folder, photos, "--to", tmp_path / "scores")
    with pytest.raises(SystemExit) as end:
        main([*map(str, words)])
    told = f"What is done so far is in '{tmp_path / 'scores'}'; the same again goes on with it."
    assert end.value.code == 130 and capsys.readouterr().err == f"\nInterrupted. {told}\n"


def test_a_killed_job_of_two_workers_goes_on_where_it_was(
    scored, exported_once, photos, tmp_path, inline
):
    to = tmp_path / "scores"
    words = ("score", exported_once.folder, photos, "--to", to, "--shard-size", 8, "--workers", 2)
    command = [sys.executable, "-m", "kerasrecipes", *map(str, words)]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    while process.poll() is None and len(list(to.glob("scores-*"))) < 2:
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    there = {path: path.stat().st_mtime_ns for path in to.glob("scores-*")}
    found = kr.score(exported_once, photos, to, shard_size=8)
    assert found.shards_now == SHARDS - len(there) and len(there) >= 2
    assert there == {path: path.stat().st_mtime_ns for path in there}
    assert written(to) == written(scored[0])
    assert kr.score(exported_once, photos, to, shard_size=8).shards_now == 0


DEADLY = """
import json, os, sys
sys.stdin.readline()
for line in sys.stdin:
    told = json.loads(line)
    for place in range(len(told["names"])):
        print(json.dumps(["at", place]), flush=True)
        if place == 2 and "2" not in told["skipped"]:
            os.kill(os.getpid(), 9)
    open(sys.argv[1], "a").write(json.dumps(told["skipped"]))
    print(json.dumps(["done", None]), flush=True)
"""


def test_a_photo_that_ends_workers_is_left_out(
    scored, exported_once, photos, tmp_path, monkeypatch
):
    noted = tmp_path / "noted"
    monkeypatch.setattr(local, "_CODE", f"import sys; sys.argv = ['', {str(noted)!r}]\n{DEADLY}")
    job = Job.model_validate_json((scored[0] / PLAN).read_text())
    names = [f"line 2/{n:03}.png" for n in range(4)]
    assert list(local.run_local(job, tmp_path, [(0, names)], 1)) == [0]
    told = {2: "3 workers ended while they read it; the last one was ended by signal 9"}
    assert json.loads(noted.read_text()) == {"2": told[2]}
    (tmp_path / "facts").mkdir()
    scorer_of(job).score(tmp_path, 0, names, told)
    rows = [json.loads(line) for line in (tmp_path / "scores-000000.jsonl").open()]
    assert [row["error"] for row in rows] == ["", "", told[2], ""]


def test_csv_and_parquet_say_the_same(scored, exported_once, photos, tmp_path, inline):
    parquet = pytest.importorskip("pyarrow.parquet")
    answers = {}
    for form in ("csv", "parquet"):
        kr.score(exported_once, photos, tmp_path / form, form=form, shard_size=100)
        (answers[form],) = (tmp_path / form).glob(f"scores-*.{form}")
    table = parquet.read_table(answers["parquet"]).to_pylist()
    rows = list(csv.DictReader(answers["csv"].open()))
    lines = [
        json.loads(line) for path in sorted(scored[0].glob("scores-*")) for line in path.open()
    ]
    assert [row["score"] for row in table] == [line["score"] for line in lines]
    assert [row["label"].replace("\n", r"\n") for row in lines] == [row["label"] for row in rows]
    assert [row["label"] for row in table] == [row["label"] for row in rows]
    assert table[37]["error"] == rows[37]["error"]


def test_another_job_is_refused(scored, exported_once, photos, tmp_path):
    with pytest.raises(DataError, match="begun otherwise: shard_size 8, now 9; top None, now 1."):
        kr.score(exported_once, photos, scored[0], shard_size=9, top=1)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="holds 'mine.txt', and no 'plan.json'"):
        kr.score(exported_once, photos, tmp_path)
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / PLAN).write_text("{")
    with pytest.raises(DataError, match="plan.json' cannot be used: it is not valid JSON"):
        kr.score(exported_once, photos, damaged)


def test_answers_that_were_changed_are_not_taken_for_written(
    scored, exported_once, photos, tmp_path
):
    to = tmp_path / "scores"
    shutil.copytree(scored[0], to)
    file = to / "scores-000001.jsonl"
    for damage in (lambda: file.write_bytes(b""), lambda: (file.unlink(), os.mkfifo(file))):
        damage()
        with pytest.raises(DataError, match="000001.json' cannot be used: .*scores-000001.jsonl"):
            kr.score(exported_once, photos, to, shard_size=8)


def test_lists_and_tables_name_files_beside_them(exported_once, photos, tmp_path, inline):
    table = photos.parent / "table.csv"
    table.write_text(f"path,label\n{photos.name}/line 2/001.png,x\n{photos.name}/no.png,x\n")
    found = kr.score(exported_once, table, tmp_path / "scores")
    assert (found.rows, found.failed) == (2, 1)
    table.write_text("file\na.png\n")
    with pytest.raises(DataError, match="has no column 'path'"):
        kr.score(exported_once, table, tmp_path / "none")
    table.write_text("path,label\na.png,x\n,x\n")
    with pytest.raises(DataError, match=r"Row 3 of the table .* has no path"):
        kr.score(exported_once, table, tmp_path / "none")
    with pytest.raises(DataError, match="`source`: .* has no photos"):
        kr.score(exported_once, tmp_path / "scores", tmp_path / "none")
    with pytest.raises(DataError, match="is no folder of photos, no .txt file"):
        kr.score(exported_once, photos / "none", tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"engine": "lokal"}, "Unknown engine 'lokal'. Did you mean 'local'"),
        ({"form": "xlsx"}, "Unknown form 'xlsx'"),
        ({"workers": 0}, "`workers` must be a whole number ≥ 1"),
        ({"shard_size": 1.5}, "`shard_size` must be a whole number ≥ 1"),
        ({"top": 0}, "`top` must be a whole number ≥ 1"),
        ({"export": "int8"}, "Unknown export 'int8'"),
    ],
)
def test_what_cannot_be_used_is_named(wrong, message, exported_once, photos, tmp_path):
    with pytest.raises(ValueError, match=message):
        kr.score(exported_once, photos, tmp_path / "none", **wrong)
    assert not (tmp_path / "none").exists()


def test_what_a_worker_cannot_use_is_told_here(exported, photos, tmp_path, monkeypatch):
    monkeypatch.setattr("kerasrecipes.scoring.local._CODE", "raise SystemExit(7)")
    with pytest.raises(DataError, match="Workers ended with exit code 7 before their first"):
        kr.score(exported, photos, tmp_path / "scores")
    monkeypatch.undo()
    changed = local._error_of("IntegrityError", None, "it was changed")
    assert isinstance(changed, IntegrityError) and str(changed) == "it was changed"
    full = OSError(28, "full")
    assert str(local._error_of("OSError", 28, str(full))) == str(full)
    assert "KeyError: 'x'" in str(local._error_of("KeyError", None, "'x'"))
