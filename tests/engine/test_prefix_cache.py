import errno
import tempfile

import keras
import numpy as np
import pytest

from kerasrecipes import get_backbone
from kerasrecipes.engine.frozen import prefix_cache, runtime
from kerasrecipes.engine.frozen.frozen_part import FrozenPart, Side
from kerasrecipes.engine.frozen.prefix_cache import PrefixCache
from kerasrecipes.engine.frozen.runtime import frozen_engine


@pytest.fixture(scope="module")
def frozen():
    spec = get_backbone("efficientnet_lite0")
    model = spec.build((48, 48))
    return keras.Model(model.input, [spec.boundary(model, 18), spec.boundary(model, 12)])


@pytest.fixture
def photos():
    return np.random.default_rng(1).uniform(0, 255, (5, 48, 48, 3)).astype(np.float32)


def test_litert_gives_the_numbers_of_keras(frozen, photos):
    expected = frozen.predict_on_batch(photos)
    found = frozen_engine(frozen, photos=10**6)(photos)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert np.abs(one - other).max() < 1e-3 * max(1, np.abs(other).max())


def test_a_model_that_does_not_convert_runs_in_keras_and_says_so_once(
    frozen, photos, monkeypatch, capsys
):
    def refuse(*_):
        raise RuntimeError("\nno such operation\nat 0x0")

    monkeypatch.setattr(runtime, "_litert_engine", refuse)
    monkeypatch.setattr(runtime, "_TOLD", set())
    for _ in range(2):
        found = frozen_engine(frozen, photos=10**6)(photos)
    assert capsys.readouterr().err.splitlines() == [
        "  The frozen blocks run in Keras, since LiteRT cannot take their place: RuntimeError: no "
        "such operation."
    ]
    np.testing.assert_array_equal(found[0], frozen.predict_on_batch(photos)[0])


def test_an_engine_with_other_numbers_is_not_used(frozen, photos, monkeypatch, capsys):
    def wrong(model, threads):
        return lambda batch: [output + 0.1 for output in model.predict_on_batch(batch)]

    monkeypatch.setattr(runtime, "_litert_engine", wrong)
    monkeypatch.setattr(runtime, "_TOLD", set())
    found = frozen_engine(frozen, photos=10**6)(photos)
    assert "its answer to noise is another one" in capsys.readouterr().err
    np.testing.assert_array_equal(found[1], frozen.predict_on_batch(photos)[1])


def test_features_beyond_half_precision_are_kept_in_single(part_sets, capsys):
    from kerasrecipes.photos.reader import PhotoReader

    photo = keras.Input((8, 8, 3))
    model = keras.Model(photo, [keras.layers.Rescaling(1e4)(photo)])
    part = FrozenPart(model, None, (), 1.0)
    cache = part._filled(model, Side(PhotoReader(part_sets[1], (8, 8)), 1))
    said = capsys.readouterr().err.splitlines()
    assert said == ["  An output of the frozen blocks exceeds float16. Keeping single precision."]
    assert cache.stored[0].dtype == np.float32
    assert np.isfinite(cache.stored[0]).all()
    part._room = cache.stored[0].nbytes / 2 - 1  # there is not enough for twice as much
    with pytest.raises(OSError, match="and in single precision `cache_gb` would be exceeded"):
        part._filled(model, Side(PhotoReader(part_sets[1], (8, 8)), 1))


def test_cache_leaves_no_file_behind(part_sets, tmp_path, monkeypatch):
    from kerasrecipes.photos.reader import PhotoReader

    monkeypatch.setenv("KERASRECIPES_CACHE", str(tmp_path))
    photo = keras.Input((8, 8, 3))
    model = keras.Model(photo, [keras.layers.Rescaling(0.5)(photo)])
    cache = PrefixCache(model, PhotoReader(part_sets[1], (8, 8)), views=1)
    cache.fill()
    assert list(tmp_path.iterdir()) == []
    assert cache.stored[0].max() > 0


@pytest.mark.parametrize("place", ["a file", "no home"])
def test_an_unwritable_cache_folder_is_replaced_by_the_temporary_one(tmp_path, monkeypatch, place):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KERASRECIPES_CACHE", str(tmp_path / "file" / "cache"))
    if place == "no home":
        monkeypatch.setattr(prefix_cache, "cache_folder", lambda: None)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    array = prefix_cache._unnamed_array((2, 3), "float16")
    assert array.shape == (2, 3)
    assert prefix_cache.free_bytes() > 0
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_disk_that_fills_up_costs_the_cache_and_says_so(
    part_sets, tiny_spec, monkeypatch, capsys
):
    from kerasrecipes.photos.reader import PhotoReader

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(prefix_cache.os, "posix_fallocate", full)
    spec = tiny_spec()
    side = Side(PhotoReader(part_sets[1], (48, 48)), 1)
    part = FrozenPart(spec.build((48, 48)), spec, (side, side), 1.0)
    assert part.sources(1, []) is None
    place = prefix_cache.printable(prefix_cache._folder())
    assert capsys.readouterr().err.splitlines() == [
        "  The frozen blocks are computed in every epoch: their output cannot be kept (No space "
        f"left on device in '{place}'; free some there, or let KERASRECIPES_CACHE name another "
        "folder)."
    ]
