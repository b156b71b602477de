"""The command that draws augmented photos, and what it refuses to write over."""

import numpy as np
import pytest
from PIL import Image

from kerasrecipes.cli.options import Augment
from kerasrecipes.photos.augment import AUGMENTATIONS
from kerasrecipes.texts.augment import TEXT_AUGMENTATIONS

pytestmark = pytest.mark.usefixtures("drawn")
SMALL = ("--views", 2, "--photos", 2, "--image-size", 48)


def test_the_command_line_knows_every_preset():
    known = {**AUGMENTATIONS, **TEXT_AUGMENTATIONS}
    assert [name.value for name in Augment] == list(known)


@pytest.mark.parametrize("augment", [name for name in AUGMENTATIONS if name != "none"])
def test_it_draws_every_preset(kr, photos, tmp_path, augment):
    to = tmp_path / "sheet.PNG"
    code, out, err = kr("show-augmentation", photos, "--augment", augment, "--to", to, *SMALL)
    assert code == 0 and err == "" and out == f"Written to {to}\n"
    picture = Image.open(to)
    assert picture.format == "PNG" and np.asarray(picture.convert("L")).std() > 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "sheet.PNG"]


def test_the_seed_makes_the_file_and_the_default_name_is_here(kr, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sheet, contents = tmp_path / "contact.png", []
    for seed in (1, 1, 2):
        code, out, _ = kr("show-augmentation", photos, "--seed", seed, "--overwrite", *SMALL)
        assert code == 0 and out == "Written to contact.png\n"
        contents.append(sheet.read_bytes())
    assert contents[0] == contents[1] != contents[2]


def test_drawn_defects_are_beside_real_ones(kr, photos, tmp_path):
    to = tmp_path / "sheet.png"
    said = ("--synthetic", "good=plain", "--synthetic", 'classes={dot="blob"}', "--augment", "none")
    code, _, err = kr("show-augmentation", photos, "--to", to, *SMALL, *said)
    assert (code, err) == (0, "") and to.exists()


def test_photos_of_other_channels_are_drawn_as_they_would_be_trained(kr, tmp_path, monkeypatch):
    seen = []

    def draw(photos, augment, **how):
        seen.append(photos.policy)
        raise ValueError("drawn")

    monkeypatch.setattr("kerasrecipes.report.plots.contact_sheet.draw_augmentation", draw)
    for kind in ("bright", "dark"):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for place in range(2):
            values = np.full((48, 48, 4), 5000 * (kind == "bright") + place, np.uint16)
            np.save(tmp_path / "photos" / kind / f"{place}.npy", values)
    pixels = ("--channels", 4, "--dtype", "float32", "--value-range", "0,10000")
    to = ("--to", tmp_path / "sheet.png")
    _, _, err = kr("show-augmentation", tmp_path / "photos", *pixels, *to)
    assert err == "ValueError: drawn\n"
    assert (seen[0].channels, seen[0].dtype, seen[0].value_range) == (4, "float32", (0, 10000))
    code, _, err = kr("show-augmentation", tmp_path, "--recipe", "text_classification",
                       "--channels", 4)  # fmt: skip
    assert code == 2 and "no effect on texts" in " ".join(err.split())


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("sheet.jpg", "must end in .png"),
        ("photos/dot/sheet.png", "lies inside the photos, where it would be taken for one"),
        ("there.png", "exists already. Add --overwrite, or name another file"),
        ("nowhere/sheet.png", "there is no folder"),
    ],
)
def test_a_wrong_place_exits_with_2_and_changes_nothing(kr, photos, tmp_path, to, message):
    (tmp_path / "there.png").write_bytes(b"mine")
    before = sorted(tmp_path.rglob("*"))
    code, out, err = kr("show-augmentation", photos, "--to", tmp_path / to, *SMALL)
    assert code == 2 and out == "" and message in " ".join(err.split())
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "there.png").read_bytes() == b"mine"


def test_a_full_disk_leaves_the_old_picture(kr, photos, tmp_path, monkeypatch):
    import errno
    from pathlib import Path

    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    (tmp_path / "there.png").write_bytes(b"mine")
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(Path, "write_bytes", full)
    code, out, err = kr("show-augmentation", photos, "--to", tmp_path / "there.png",
                        "--overwrite", *SMALL)  # fmt: skip
    assert code == 1 and out == "" and "Nothing was saved in" in err and "Free some space" in err
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "there.png").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["{photos}", "--augment", "none"], 1, "`augment` changes nothing"),
        (["{photos}", "--augment", "strong"], 2, "'randaugment', 'augmix'"),
        (["{photos}", "--views", "0"], 2, "'--views'"),
        (["{photos}", "--synthetic", "goood=plain"], 2, "Did you mean 'good'"),
        (["{photos}", "--synthetic", "share=0"], 2, "`share` must be above 0"),
        (["{photos}", "--synthetic", "good=plain"], 1, "no training photo of a defect has a mask"),
        (["{photos}x"], 1, "no folder or table"),
    ],
)
def test_wrong_usage(kr, photos, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    found, out, err = kr("show-augmentation", *(a.format(photos=photos) for a in arguments))
    assert (found, out) == (code, "") and message in err
    assert not (tmp_path / "contact.png").exists()
