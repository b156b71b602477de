import hashlib
import os
import warnings
from pathlib import Path

import numpy as np
import pytest

from kerasrecipes.backbones import weights_cache
from kerasrecipes.backbones.weights_cache import cached_arrays
from kerasrecipes.environment import cache_folder
from kerasrecipes.errors import DataError

ARRAYS = {"a/0": np.arange(6, dtype="float32").reshape(2, 3), "b/0": np.ones(2, "float32")}


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"the original weights")
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASRECIPES_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Converter:
    def __init__(self):
        self.runs = 0

    def __call__(self, path):
        self.runs += 1
        return dict(ARRAYS)


def take(source, converter, version=1):
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    found = cached_arrays(source, expected_digest=digest, version=version, convert=converter)
    assert list(found) == list(ARRAYS)
    for name in ARRAYS:
        np.testing.assert_array_equal(found[name], ARRAYS[name])


def test_a_conversion_runs_once(source, cache):
    converter = Converter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        take(source, converter)
        take(source, converter)
    assert converter.runs == 1
    assert [path.suffix for path in cache.iterdir()] == [".npz"]


def test_a_new_source_or_converter_does_not_get_the_old_result(source, cache):
    converter = Converter()
    take(source, converter)
    take(source, converter, version=2)
    source.write_bytes(b"other weights")
    take(source, converter)
    assert converter.runs == 3
    assert len(list(cache.iterdir())) == 3


def test_every_kind_of_damage_is_noticed_and_repaired(source, cache):
    take(source, Converter())
    (kept,) = cache.iterdir()
    whole = kept.read_bytes()
    flipped = bytearray(whole)
    flipped[whole.index(ARRAYS["a/0"].tobytes()) + 8] ^= 1
    other = {**ARRAYS, "b/0": np.zeros(2, "float32")}
    np.savez(cache / "other.npz", **other, sha256=np.array("0" * 64))
    np.savez(cache / "bare.npz", **ARRAYS)
    np.savez(cache / "pickle.npz", sha256=np.array([print], dtype=object))
    damages = [b"", whole[:100], whole[:-30], bytes(flipped), b"<html>no</html>"]
    damages += [(cache / f"{name}.npz").read_bytes() for name in ("other", "bare", "pickle")]
    for damage in damages:
        kept.write_bytes(damage)
        converter = Converter()
        with pytest.warns(UserWarning, match="are damaged .*; they are made again"):
            take(source, converter)
        assert converter.runs == 1
        take(source, converter)
        assert converter.runs == 1, "the repaired file was not used"


def test_an_unwritable_cache_costs_one_warning(source, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("KERASRECIPES_CACHE", str(tmp_path / "file" / "cache"))
    converter = Converter()
    with pytest.warns(
        UserWarning,
        match="The converted weights are not kept, because .*cache is not "
        "writable .*Set KERASRECIPES_CACHE to a writable folder.",
    ) as caught:
        take(source, converter)
    assert len(caught) == 1 and "\n" not in str(caught[0].message)


def test_without_a_home_it_works_uncached(source, monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    for name in ("KERASRECIPES_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", staticmethod(homeless))
    assert cache_folder() is None
    with pytest.warns(UserWarning, match="because the cache is not writable .there is no home"):
        take(source, Converter())


def test_the_folder_follows_the_platform(monkeypatch, tmp_path):
    monkeypatch.setenv("KERASRECIPES_CACHE", "/somewhere")
    assert cache_folder() == Path("/somewhere")
    monkeypatch.delenv("KERASRECIPES_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "kerasrecipes"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", staticmethod(lambda: tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "kerasrecipes"


def test_a_full_disk_leaves_nothing_behind(source, cache, monkeypatch):
    def full(*_args, **_named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights_cache.np, "savez", full)
    with pytest.warns(UserWarning, match="No space left on device"):
        take(source, Converter())
    assert list(cache.iterdir()) == []


def test_the_file_is_complete_before_it_has_its_name(source, cache, monkeypatch):
    order = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: order.append("fsync"))
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda *a: (order.append("replace"), replace(*a)))
    take(source, Converter())
    assert order == ["fsync", "replace", "fsync"]  # the last one is of the folder


def test_another_source_than_expected_is_refused(source, cache):
    with pytest.raises(
        DataError,
        match=r"weights.pth' has SHA-256 .*, not 000000000000…; it was "
        "changed or cut off. Install the package that carries it again",
    ):
        cached_arrays(source, expected_digest="0" * 64, version=1, convert=Converter())


def test_a_missing_source_is_refused(tmp_path, cache):
    with pytest.raises(DataError, match=r"Cannot read the weights file '.*none': No such file"):
        cached_arrays(tmp_path / "none", expected_digest="", version=1, convert=Converter())
