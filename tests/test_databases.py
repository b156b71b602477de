"""What several threads and processes keep in one sqlite file."""

import shutil
import sqlite3
import subprocess
import sys

import pytest

import kerasrecipes as kr
from kerasrecipes.data.database import told_of_database
from kerasrecipes.drift.history import DriftHistory
from kerasrecipes.rollout.evidence import EvidenceFile
from kerasrecipes.rollout.judge import Judge
from kerasrecipes.serve.journal import Journal
from kerasrecipes.tuning.trials import FILE, Trials
from kerasrecipes.watching.state import WatchState

# Whether another process may take what sqlite locks in the file: its shared range is fixed.
OTHER = """
import fcntl, sys
with open(sys.argv[1], "rb+") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)
    except BlockingIOError:
        print("locked")
"""


def evidence(path):
    file, judge = EvidenceFile(path), Judge(kr.RolloutPolicy(), ("a", "b"))
    file.add("x", judge.settle())
    file.read("x", judge.known)


def trials(path):
    Trials(path.parent, "rates", {"of": "this"}, [{"rate": "a"}]).done()


USERS = {
    "journal.db": lambda path: Journal(path).close(),
    "drift.db": lambda path: DriftHistory(path, "profile").looks(),
    "watch.db": lambda path: WatchState(path).numbers(),
    "rollout.db": evidence,
    FILE: trials,
}


@pytest.mark.parametrize("name", USERS)
def test_none_takes_away_what_another_of_its_process_has_locked(tmp_path, name):
    """Or another process, which ends, removes the very file that this one still writes to."""
    use, path = USERS[name], tmp_path / name
    use(path)
    with sqlite3.connect(path) as held:
        held.execute("PRAGMA journal_mode = WAL")
        held.execute("SELECT count(*) FROM sqlite_master")
        use(path)
        asked = [sys.executable, "-c", OTHER, path]
        assert subprocess.run(asked, capture_output=True, text=True).stdout == "locked\n"
    held.close()


@pytest.mark.parametrize("free, told", [(4096, "No space left on device. Free"), (1 << 20, "disk")])
def test_an_index_without_room_is_told_as_a_full_disk(tmp_path, monkeypatch, free, told):
    usage = type(shutil.disk_usage(tmp_path))(1 << 22, (1 << 22) - free, free)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OSError, match=f"{told}.* then save again"):
        with told_of_database(tmp_path / "journal.db", "as a journal", "Restore it."):
            raise sqlite3.OperationalError("disk I/O error")
