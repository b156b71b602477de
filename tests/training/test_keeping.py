"""What took long to compute is not lost where it cannot be saved."""

import errno
from collections import namedtuple
from pathlib import Path

import pytest

from kerasrecipes.training import keeping
from kerasrecipes.training.keeping import check_room, save_or_keep

Usage = namedtuple("Usage", "total used free")


def saving(*full: Path):
    """Return what saves a version, unless the place is on a disk that is full."""

    def save(to: Path) -> Path:
        if any(to.is_relative_to(one) for one in full):
            raise OSError(errno.ENOSPC, f"Nothing was saved in '{to}': No space left on device. "
                          "Free some space, then save again")  # fmt: skip
        (to / "1").mkdir(parents=True)
        (to / "1" / "model").write_text("weights")
        return to / "1"

    return save


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


def test_a_disk_that_weights_alone_would_fill_is_told_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping.shutil, "disk_usage", lambda _: Usage(9, 9, 10_000_000))
    check_room(tmp_path / "new" / "tiles", 2_500_000)
    with pytest.raises(OSError, match=r"tiles': its weights take 10.4 MB, and 10.0 MB are free"):
        check_room(tmp_path / "new" / "tiles", 2_600_000)
