"""A line whose photos are watched."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import kerasrecipes as kr


def write_photos(folder, photos) -> None:
    folder.mkdir(parents=True)
    for number, photo in enumerate(photos):
        Image.fromarray(photo).save(folder / f"{number:03}.png")


@pytest.fixture(scope="package")
def line(tiny, tmp_path_factory):
    """Folders of new photos by name, and labelled ones to compare with."""
    root = tmp_path_factory.mktemp("line")
    photos, labels = tiny.colour_photos(240, seed=50)
    for k, name in enumerate(tiny.CLASS_NAMES):
        write_photos(root / "reference" / name.replace("\n", " "), photos[labels == k])
    for week in range(3):
        write_photos(root / f"week{week}", tiny.colour_photos(120, seed=60 + week)[0])
    dark = tiny.colour_photos(120, seed=70)[0]
    write_photos(root / "dark", (dark * 0.8).astype(np.uint8))
    other, classes = tiny.colour_photos(300, seed=71)
    write_photos(root / "one_class", other[classes == 0])
    write_photos(root / "few", dark[:40])
    return root


@pytest.fixture(scope="package")
def profile(exported_once, tiny, line):
    names = {name.replace("\n", " "): name for name in tiny.CLASS_NAMES}
    photos = kr.scan_photos(line / "reference")
    photos = photos.with_items([replace(one, label=names[one.label]) for one in photos.photos])
    return kr.profile_bundle(exported_once, replace(photos, class_names=tuple(tiny.CLASS_NAMES)))
