"""What took long to compute is not lost where it cannot be saved, or not be measured."""

import errno
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import pytest

from kerasrecipes.errors import DataError
from kerasrecipes.training import keeping
from kerasrecipes.training.keeping import check_room, kept_on_error, save_or_keep

Usage = namedtuple("Usage", "total used free")


def saving(*full: Path):
    """Return what can be saved as a version, unless the place is on a disk that is full."""

    def save(to: Path) -> Path:
        if any(to.is_relative_to(one) for one in full):
            raise OSError(errno.ENOSPC, f"Nothing was saved in '{to}': No space left on device. "
                          "Free some space, then save again")  # fmt: skip
        (to / "1").mkdir(parents=True)
        (to / "1" / "model").write_text("weights")
        return to / "1"

    return SimpleNamespace(save=save)


@pytest.fixture
def places(tmp_path, monkeypatch):
    made = [tmp_path / name for name in ("models", "temporary", "home")]
    for one in made:
        one.mkdir()
    monkeypatch.setattr(keeping.tempfile, "gettempdir", lambda: str(made[1]))
    monkeypatch.setattr(Path, "home", lambda: made[2])
    return made


def test_what_can_be_saved_is(places):
    assert save_or_keep(saving(), places[0] / "tiles") == places[0] / "tiles" / "1"


@pytest.mark.parametrize("full", [1, 2])
def test_a_model_that_finds_no_room_is_kept_elsewhere(places, full):
    with pytest.raises(OSError, match="No space left on device. Free some space, then") as caught:
        save_or_keep(saving(*places[:full]), places[0] / "tiles")
    (kept,) = places[full].glob("kerasrecipes-kept-*/tiles/1")
    assert f"is not lost: the model is in '{kept}'. Copy" in str(caught.value)
    assert caught.value.errno == errno.ENOSPC and (kept / "model").read_text() == "weights"
    assert full == 1 or not list(places[1].iterdir())


def test_where_all_is_full_a_run_folder_is_what_would_have_helped(places):
    with pytest.raises(OSError, match="so it is lost. A fit with a run folder"):
        save_or_keep(saving(*places), places[0] / "tiles")
    assert not any(list(one.iterdir()) for one in places)


def test_what_is_in_a_run_folder_is_not_kept_twice(places):
    with pytest.raises(OSError, match=r"then save again. Call it with --resume\."):
        save_or_keep(saving(places[0]), places[0] / "tiles", "Call it with --resume.")
    assert not any(list(one.iterdir()) for one in places)


@pytest.mark.parametrize("saved", [True, False])
def test_a_model_that_cannot_be_measured_is_kept_and_told(places, saved):
    made = saving()
    if not saved:  # what `save` reads besides is gone, too
        made.save = lambda to: saving(places[0]).save(places[0])
        made.model_ = SimpleNamespace(save=lambda path: path.write_text("weights"))
    with pytest.raises(DataError, match="gone.png is not there") as caught:
        with kept_on_error(made, places[0] / "tiles"):
            raise DataError("gone.png is not there")
    (kept,) = places[1].glob("kerasrecipes-kept-*/tiles" + ("/1" if saved else ".keras"))
    (note,) = caught.value.__notes__
    assert note.startswith("What was computed is not lost") and f"is in '{kept}'" in note
    assert not any(places[0].iterdir())


def test_a_recipe_that_was_not_trained_yet_is_not_kept(places):
    import kerasrecipes as kr

    with pytest.raises(DataError) as caught, kept_on_error(kr.ImageClassifier(), places[0] / "a"):
        raise DataError("a photo is broken")
    assert not hasattr(caught.value, "__notes__") and not any(map(list, map(Path.iterdir, places)))


def test_a_disk_that_weights_alone_would_fill_is_told_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping.shutil, "disk_usage", lambda _: Usage(9, 9, 10_000_000))
    check_room(tmp_path / "new" / "tiles", 2_500_000)
    with pytest.raises(OSError, match=r"tiles': its weights take 10.4 MB, and 10.0 MB are free"):
        check_room(tmp_path / "new" / "tiles", 2_600_000)
