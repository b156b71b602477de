"""Large photos on the command line: `train --tiles`, with labels of whole photos alone."""

import json
import tomllib

import numpy as np
import pytest
from PIL import Image

from kerasrecipes import Bundle

pytestmark = pytest.mark.usefixtures("tiny_known")
SIZE, SIDE = (72, 96), 48
TINY = (
    "--backbone", "tiny", "--image-size", SIDE, "--augment", "none", "--set", "start=head",
    "--set", "views=1", "--set", "schedule.epochs=1", "--set", "schedule.head_epochs=3",
)  # fmt: skip


@pytest.fixture(scope="module")
def plates(tmp_path_factory):
    """A folder of plates that are good or have a bright spot somewhere."""
    folder, rng = tmp_path_factory.mktemp("plates"), np.random.default_rng(0)
    for i in range(40):
        kind = ("good", "spot")[i % 2]
        pixels = rng.normal(120, 10, (*SIZE, 3))
        if kind == "spot":
            y, x = rng.integers(0, SIZE[0] - 12), rng.integers(0, SIZE[1] - 12)
            pixels[y : y + 12, x : x + 12] += 75
        (folder / kind).mkdir(exist_ok=True)
        picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        picture.save(folder / kind / f"{i}.png")
    return folder


def test_a_folder_is_learned_by_tiles_and_repeated(kr, plates, tmp_path):
    run, to = tmp_path / "run", tmp_path / "plates"
    asked = ("train", plates, "--to", to, *TINY, "--run", run)
    code, _, err = kr(*asked, "--tiles", "72x96")
    assert code == 0, err
    assert "16 defective photos have no mask: of each, one tile counts as its defect" in err
    bundle = Bundle.load(to)
    assert bundle.input.shape == (*SIZE, 3)
    (step,) = json.loads((bundle.folder / "report.json").read_text())["optimization"]
    assert step["name"] == "tiles" and step["options"]["tiles"] == [2, 3]
    told = tomllib.loads((run / "recipe.toml").read_text())["photos"]["tiles"]
    assert told == {"photo_size": list(SIZE), "overlap": 0.25, "good": "good", "by": "max"}
    # Its training is not done again.
    code, _, err = kr("train", plates, "--config", run / "recipe.toml", "--run", run,
                        "--to", tmp_path / "again", "--resume")  # fmt: skip
    assert code == 0, err
    one, two = (
        Bundle.load(folder).load_model().get_weights() for folder in (to, tmp_path / "again")
    )
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--tiles", "3000"), "`tiles` must be a Tiling or None, not '3000'"),
        (("--tiles", "48x48"), "must be larger than a tile"),
        (("--tiles", "72x96", "--set", "photos.tiles={photo_size=[72,96],good='fine'}"), "'fine'"),
        (("--set", "photos.tiles={overlap=0.5}"), "`photos.tiles` lacks 'photo_size'"),
        (("--set", "photos.tiles={photo_size=[72,96],size=3}"), "size"),
        (("--tiles", "72x96", "--recipe", "defect_detection"), "goes with an ImageClassifier"),
    ],
)
def test_what_cannot_be_cut(kr, plates, tmp_path, given, message):
    code, _, err = kr("train", plates, "--to", tmp_path / "plates", *TINY, *given)
    assert code in {1, 2} and message in err
    assert not (tmp_path / "plates").exists()


def test_other_commands_do_not_cut(kr, plates, tmp_path):
    file = tmp_path / "recipe.toml"
    file.write_text("[photos]\ntiles = {photo_size = [72, 96]}\n")
    for command in ("tune", "ablate"):
        code, _, err = kr(command, plates, "--config", file)
        assert code == 2 and "`tiles` is for train alone" in err
