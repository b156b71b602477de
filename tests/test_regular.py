"""Pipes, devices and links in place of files: refused by name, in every file that is read."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kerasrecipes import DataError, IntegrityError, MetricsLog, RunFolder
from kerasrecipes.backbones.torch_checkpoint import read_torch_checkpoint
from kerasrecipes.backbones.weights_cache import cached_arrays
from kerasrecipes.bundles.model_file import load_model
from kerasrecipes.callbacks.state.state_folder import StateFolder
from kerasrecipes.data.tables.rows import read_rows
from kerasrecipes.files import digest
from kerasrecipes.optimization.search.record import Record, read_record
from kerasrecipes.regular import append_regular, append_whole, open_regular, read_regular
from kerasrecipes.settings.written.recipe_file import RecipeFile


def as_pipe(path: Path) -> None:
    os.mkfifo(path)


def as_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def as_folder(path: Path) -> None:
    path.mkdir()


def as_dangling_link(path: Path) -> None:
    path.symlink_to("gone")


def as_link(path: Path) -> None:
    outside = path.parent.parent / "outside"
    outside.write_text("kept")
    path.symlink_to(outside)


KINDS = [as_pipe, as_device, as_folder, as_dangling_link]
READERS: dict[str, Callable] = {
    "a.csv": read_rows,
    "a.jsonl": read_rows,
    "recipe.toml": lambda path: RecipeFile(()).read(path),
    "model.keras": load_model,
    "weights.pth": read_torch_checkpoint,
    "record.json": lambda path: read_record(path, Record),
    "config.json": lambda path: RunFolder(path.parent, resume=True).describe({}),
}


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "inside").mkdir()
    return tmp_path / "inside"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_is_refused_by_name(folder, name, kind):
    kind(folder / name)
    with pytest.raises((DataError, IntegrityError, OSError), match=name):
        READERS[name](folder / name)


@pytest.mark.parametrize("kind", [*KINDS, as_link])
@pytest.mark.parametrize("name", ["lock", "console.log"])
def test_a_run_writes_to_nothing_but_files_of_its_folder(folder, name, kind):
    kind(folder / name)
    with pytest.raises(OSError, match=name), RunFolder(folder).locked():
        pytest.fail("it was written")
    assert kind is not as_link or (folder.parent / "outside").read_text() == "kept"


@pytest.mark.parametrize("kind", [*KINDS, as_link])
def test_a_resumed_run_logs_into_no_other_place(folder, kind):
    RunFolder(folder).describe({})
    kind(folder / "metrics.jsonl")
    with pytest.raises(DataError, match=r"metrics.jsonl' is damaged: it is a .*Restore it"):
        RunFolder(folder, resume=True).describe({})


@pytest.mark.parametrize("kind", [*KINDS, as_link])
def test_a_state_that_is_no_file_is_passed_over(folder, kind, capsys):
    states = StateFolder(folder)
    for number in range(2):
        states.write({"number": number})
    last = states.path
    last.unlink()
    kind(last)
    assert StateFolder(folder).read() == {"number": 0}
    assert f"{last.name}' is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [as_pipe, as_device])
def test_a_cache_that_is_no_file_is_made_anew(folder, kind, monkeypatch):
    monkeypatch.setenv("KERASRECIPES_CACHE", str(folder / "cache"))
    (folder / "source.pth").write_bytes(b"weights")
    told = {"expected_digest": digest(folder / "source.pth"), "version": 1}
    arrays = {"a": np.zeros(2)}
    cached_arrays(folder / "source.pth", convert=lambda _: arrays, **told)
    (kept,) = (folder / "cache").glob("*.npz")
    kept.unlink()
    kind(kept)
    with pytest.warns(UserWarning, match="are damaged .*not a file"):
        cached_arrays(folder / "source.pth", convert=lambda _: arrays, **told)
    assert kept.is_file() and not kept.is_symlink()


def test_a_log_of_metrics_blocks_on_nothing(folder):
    as_pipe(folder / "metrics.jsonl")
    with pytest.raises(OSError, match="it is a pipe, socket or device, not a file"):
        MetricsLog(folder / "metrics.jsonl").get_state()


def test_a_file_that_is_named_may_be_a_link_but_none_inside_a_folder(folder):
    (folder / "a").write_text("text")
    (folder / "link").symlink_to("a")
    (folder / "deep").mkdir()
    (folder / "deep" / "b").write_text("more")
    (folder / "way").symlink_to("deep")
    assert read_regular(folder / "link") == b"text" and read_regular("a", folder) == b"text"
    assert read_regular("deep/b", inside=folder) == b"more"
    with append_regular("deep/b", inside=folder) as file:
        file.write("!")
    assert read_regular(folder / "way" / "b") == b"more!"
    for name in ("link", "way/b", "deep", "../inside/a", f"{folder}/a", "", ".", "a\0", "a/b"):
        with pytest.raises(OSError):
            open_regular(name, inside=folder)
    with pytest.raises(OSError, match="it is larger than 3 bytes"):
        read_regular(folder / "a", largest=3)


def test_what_is_added_is_whole_or_not_there(folder, monkeypatch):
    path, write, given = folder / "log", os.write, iter([3, 4, None])

    def little(descriptor, content):
        """Take a few bytes at a time, until there is no room."""
        if (count := next(given)) is None:
            raise OSError(28, "No space left on device")
        return write(descriptor, content[:count])

    append_whole(path, "first\n")
    monkeypatch.setattr(os, "write", little)
    with pytest.raises(OSError, match="No space left on device: '.*inside/log'"):
        append_whole(path, "the second\n")
    monkeypatch.undo()
    assert path.read_text() == "first\n"
    append_whole("log", "third\n", inside=folder, begin=2)
    assert path.read_text() == "fithird\n"
