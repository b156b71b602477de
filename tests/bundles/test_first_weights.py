"""Weights of a saved model, named by its folder."""

from types import SimpleNamespace

import pytest

from kerasrecipes import DataError
from kerasrecipes.bundles.first_weights import giver_of, seen_through, weights_file
from kerasrecipes.promotion.promoting import promote_version

OTHER = SimpleNamespace(seen={"a": "train"})


def test_a_saved_model_may_be_named_as_everywhere_else(exported):
    version, folder = exported.folder, exported.folder.parent
    promote_version(folder, 1, why="the first")
    for named in (version, folder, str(folder), f"{folder}@champion", version / "model.keras"):
        assert str(weights_file(named)) == str(version / "model.keras")
        assert giver_of(named).folder == version
        assert seen_through(named, OTHER) == exported.seen()


def test_any_other_weights_stay_what_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "default").mkdir()  # a folder that happens to be there
    for weights in (None, "default", "imagenet", "own.npz", "a@b.npz"):
        assert weights_file(weights) == weights
        assert giver_of(weights) is None
    assert seen_through(None, OTHER) == {} == seen_through("own.npz", OTHER)
    assert seen_through("default", OTHER) == OTHER.seen


def test_a_folder_without_a_saved_model_is_refused(exported):
    with pytest.raises(DataError, match="There is no saved model in .* It holds 'colours'"):
        weights_file(exported.folder.parent.parent)
    with pytest.raises(DataError, match="has no alias 'best'"):
        weights_file(f"{exported.folder.parent}@best")
