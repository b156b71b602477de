"""What lies in an object store is copied once, and again what changed there."""

import json
import sys
from pathlib import Path

import pytest

import kerasrecipes as kr
from kerasrecipes.data.tables import remote
from kerasrecipes.data.tables.remote import here
from kerasrecipes.errors import DataError, MissingDependencyError
from kerasrecipes.photos.modality import Photos
from kerasrecipes.scoring.listing import list_inputs

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store in memory that counts what is taken from it."""
    monkeypatch.setenv("KERASRECIPES_CACHE", str(tmp_path / "cache"))
    memory, taken = fsspec.filesystem("memory"), []
    get = memory.get
    monkeypatch.setattr(
        type(memory), "get", lambda self, places, to: taken.extend(places) or get(places, to)
    )
    memory.taken = taken
    yield memory
    memory.store.clear()


@pytest.fixture
def tiles(store, tiny):
    for i, photo in enumerate(tiny.colour_photos(8, seed=1)[0]):
        store.pipe(f"/bucket/tiles/{'ab'[i % 2]}/{i}.png", tiny.png(photo))
    return "memory://bucket/tiles"


def test_photos_are_scanned_and_scored_from_a_store(store, tiles):
    photos = kr.scan_photos(tiles)
    assert photos.counts() == {"a": 4, "b": 4}
    assert len(store.taken) == 8 and photos.excluded == photos.ignored == ()
    assert list_inputs(tiles, Photos(), None).names == [
        f"{folder}/{i}.png" for folder in "ab" for i in range("ab".index(folder), 8, 2)
    ]
    assert len(store.taken) == 8  # nothing was copied again


def test_what_changed_is_copied_again_and_what_is_gone_is_removed(store, tiles, monkeypatch):
    monkeypatch.setattr(remote, "_TOGETHER", 2)
    root = here(tiles)
    store.rm("/bucket/tiles/a/0.png")
    store.pipe("/bucket/tiles/b/1.png", b"other")
    store.pipe("/bucket/tiles/b/c/new.png", b"new")
    store.taken.clear()
    assert here(tiles) == root
    assert sorted(store.taken) == ["/bucket/tiles/b/1.png", "/bucket/tiles/b/c/new.png"]
    assert not (root / "a/0.png").exists()
    assert (root / "b/1.png").read_bytes() == b"other"
    (root / "b/1.png").unlink()
    (root.parents[1] / "copied.json").write_text("damaged")
    store.taken.clear()
    here(tiles)
    assert len(store.taken) == 8 and (root / "b/1.png").read_bytes() == b"other"


def test_a_table_and_a_path_that_a_shell_passed_are_known(store):
    store.pipe("/bucket/texts.jsonl", "\n".join(
        json.dumps({"text": f"text {i} {i * 7}", "label": "ab"[i % 2]}) for i in range(6)
    ).encode())  # fmt: skip
    assert len(kr.scan_texts("memory://bucket/texts.jsonl")) == 6
    assert here(Path("memory://bucket/texts.jsonl")).name == "texts.jsonl"
    assert len(store.taken) == 1


def test_paths_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd:" / "x").mkdir(parents=True)
    for path in ("a/b", "C:/photos", "./s3:/x", "/s3://x", "odd:/x"):
        assert here(path) == tmp_path / path


def test_what_cannot_be_copied_is_told(store, tiles, tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"'/bucket/none' is not there, or holds no file"):
        here("memory://bucket/none")
    with pytest.raises(DataError, match=r"Cannot copy 'nothing://x': Protocol not known"):
        here("nothing://x")
    info = store.info
    monkeypatch.setattr(type(store), "find", lambda self, top, detail: {
        f"{top}/a/0.png": info(f"{top}/a/0.png") | {"size": 10**6}
    })  # fmt: skip
    with pytest.raises(DataError, match=r"bytes came of 1,000,000. Try again"):
        here(tiles)
    monkeypatch.setattr(type(store), "find", lambda self, top, detail: {f"{top}/../x": {}})
    with pytest.raises(DataError, match="would lie outside of the copy"):
        here(tiles)
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingDependencyError, match=r"kerasrecipes\[remote\]"):
        here(tiles)
