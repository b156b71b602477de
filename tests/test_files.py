"""What is written appears whole, and what a process leaves behind when it is killed goes away."""

import errno
import gc
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from kerasrecipes import DataError
from kerasrecipes.bundles.versions import check_model_folder
from kerasrecipes.files import (
    UNFINISHED,
    TemporaryFolder,
    check_new_folder,
    complete_file,
    told_plainly,
)

WRITER = """
import sys, time
from pathlib import Path
from kerasrecipes.files import TemporaryFolder, complete_file
with TemporaryFolder(Path(sys.argv[1])) as folder:
    (folder / "part").write_text("half")
    with complete_file(Path(sys.argv[1], "file")) as file:
        file.write(b"half")
        print("writing", flush=True)
        time.sleep(60)
"""
COMMAND = """
import sys, time
from pathlib import Path
from kerasrecipes import cli
from kerasrecipes.files import TemporaryFolder, complete_file
@cli.app.command("write")
def write(to: Path):
    with TemporaryFolder(to), complete_file(to / "file"):
        print("writing", flush=True)
        time.sleep(60)
cli.main()
"""


# What is raised while Python collects garbage is dropped.
OUT_OF_TURN = COMMAND.replace(
    """        print("writing", flush=True)
""",
    """        class Garbage:
            def __del__(self):
                print("writing", flush=True)
                time.sleep(60)
        Garbage()
""",
)


def hear():
    """Heed signals also where the tests run in the background or by nohup, which ignore some."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def writing(*command):
    """Run a process until it writes."""
    command = [sys.executable, "-c", *map(str, command)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, preexec_fn=hear) as process:
        try:
            assert process.stdout.readline() == "writing\n"
            yield process
        finally:
            process.kill()


def left(folder):
    return sorted(folder.glob(f"{UNFINISHED}*"))


@pytest.fixture
def killed(tmp_path):
    """A folder in which a process was killed while it wrote."""
    with writing(WRITER, tmp_path):
        pass
    assert [path.is_dir() for path in left(tmp_path)] in ([True, False], [False, True])
    return tmp_path


def write_file(folder):
    with complete_file(folder / "other") as file:
        file.write(b"whole")


def write_folder(folder):
    with TemporaryFolder(folder):
        pass


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_what_a_killed_process_left_is_removed_by_the_next_write(killed, capsys, write):
    remains = left(killed)
    write(killed)
    assert left(killed) == [] and not (killed / "file").exists()
    told = capsys.readouterr().err
    assert all(f"Removed '{path}', left behind by a write that was cut" in told for path in remains)


def test_what_is_being_written_stays(tmp_path, capsys):
    with writing(WRITER, tmp_path), TemporaryFolder(tmp_path) as own:
        with complete_file(tmp_path / "own") as file:  # nor does it take its own away
            file.write(b"whole")
        assert len(left(tmp_path)) == 3 and own.is_dir()
    assert capsys.readouterr().err == ""
    assert (tmp_path / "own").read_bytes() == b"whole"


def test_what_cannot_be_removed_is_named(killed, capsys, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    (folder,) = (path for path in left(killed) if path.is_dir())
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", refuse)
        write_file(killed)
    told = f"'{folder}' seems to be left behind by a write that was cut off, and cannot be removed"
    assert told in capsys.readouterr().err
    assert left(killed) == [folder]


def test_nothing_strange_is_followed(tmp_path, capsys):
    (tmp_path / "kept").write_text("kept")
    (tmp_path / f"{UNFINISHED}link").symlink_to(tmp_path / "kept")
    write_file(tmp_path)
    assert (tmp_path / "kept").read_text() == "kept"
    assert f"'{tmp_path}/{UNFINISHED}link' seems to be left behind" in capsys.readouterr().err


@pytest.mark.parametrize("command", [COMMAND, OUT_OF_TURN])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_told_to_end_leaves_nothing(tmp_path, number, command):
    with writing(command, "write", tmp_path) as process:
        assert len(left(tmp_path)) == 2
        process.send_signal(number)
        _, told = process.communicate(timeout=30)
    assert list(tmp_path.iterdir()) == []
    assert "Traceback" not in told
    if number == signal.SIGINT:
        assert "Interrupted" in told and process.returncode == 130
    else:
        assert process.returncode == 128 + number
        assert f"Ended by {signal.Signals(number).name}." in told


def test_a_folder_lasts_as_long_as_it_is_held(tmp_path):
    held = TemporaryFolder(tmp_path)
    assert os.listdir(tmp_path) == [held.path.name]
    del held
    gc.collect()
    assert os.listdir(tmp_path) == []


def test_a_failed_write_leaves_what_was_there(tmp_path):
    (tmp_path / "file").write_bytes(b"before")
    with pytest.raises(OSError, match="No space"), complete_file(tmp_path / "file") as file:
        file.write(b"half")
        raise OSError(28, "No space left on device")
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"before"


class DatabaseError(Exception):
    """Stands for what wraps another library's error."""


def wrapped() -> Exception:
    error = DatabaseError("cannot commit")
    error.__cause__ = RuntimeError("database or disk is full")
    return error


@pytest.mark.parametrize(
    ("raised", "number", "remedy"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), errno.ENOSPC, "Free some space"),
        (OSError("Can't write (errno = 28, error message = 'No space left on device')"),
         errno.ENOSPC, "Free some space"),
        (OSError("4096 requested and 12 written"), errno.ENOSPC, "Free some space"),
        (RuntimeError("a/b.data; No space left on device [Op:Save]"), errno.ENOSPC, "Free some"),
        (wrapped(), errno.ENOSPC, "Free some space"),
        (RuntimeError("attempt to write a readonly database"), errno.EROFS, "Name a folder that"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "a", None, "long"),
         errno.ENAMETOOLONG, "'long'.. Choose a shorter name"),
        (OSError(errno.EFBIG, "File too large"), errno.EFBIG, "a place that takes larger files"),
    ],
)  # fmt: skip
def test_what_any_library_says_of_the_disk_is_told_alike(raised, number, remedy):
    told = rf"^\[Errno {number}\] Nothing was saved in 'models': .*{remedy}.*, then save again$"
    with pytest.raises(OSError, match=told) as caught, told_plainly(Path("models")):
        raise raised
    assert caught.value.errno == number and caught.value.__cause__ is raised
    with pytest.raises(OSError) as outer, told_plainly(Path("outside")):
        raise caught.value
    assert outer.value is caught.value  # what was said once is not said again


@pytest.mark.parametrize("raised", [ValueError("shapes differ"), DataError("Permission denied")])
def test_what_is_not_of_the_disk_stays_what_it_is(raised):
    with pytest.raises(type(raised)) as caught, told_plainly(Path("models")):
        raise raised
    assert caught.value is raised


TOO_LARGE = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from kerasrecipes.drift.history import DriftHistory, Look
from kerasrecipes.engine.run_folder import RunFolder
from kerasrecipes.files import locked_folder
from kerasrecipes.optimization.search.record import write_record
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder = Path(sys.argv[1])
look = Look(1, "now", "ab", 0.5, 0.5, 0, 1.0, False, "x" * 20_000)
history = DriftHistory(folder / "history.db", "ab")
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
for name, write in {
    "history.db": lambda: history.add(look),
    "run": lambda: write_record(folder / "record.json", {"x": "x" * 20_000}),
    "a folder": lambda: RunFolder(folder).keep_recipe("x" * 20_000),
    "locked": lambda: locked_folder(folder / "model").__enter__(),
}.items():
    if name == "locked":
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    try:
        write()
    except OSError as error:
        print(error.strerror)
"""


def test_a_file_that_may_not_grow_is_told_by_every_writer(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", TOO_LARGE, str(tmp_path)], capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 4, done.stdout + done.stderr
    for line, name in zip(lines, ("/history.db", "", "", "/model"), strict=True):
        assert line.startswith(f"Nothing was saved in '{tmp_path}{name}': ")
        assert line.endswith(", then save again")
    assert sorted(os.listdir(tmp_path)) == ["history.db", "model"]


def test_a_name_that_is_too_long_is_told(tmp_path):
    for check in (check_new_folder, check_model_folder):
        with pytest.raises(OSError, match="File name too long .*Choose a shorter name"):
            check(tmp_path / ("n" * 300))
