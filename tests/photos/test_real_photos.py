"""The numbers that the docstrings state, on real photos; skipped where these are absent."""

import csv
import os
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerasrecipes.photos.check import check_photos
from kerasrecipes.photos.likeness.similar import near_duplicates
from kerasrecipes.photos.scan import scan_photos
from kerasrecipes.photos.split import split_photos

pytestmark = pytest.mark.slow
SHARED = Path(
    os.environ.get("KERASRECIPES_SHARED_DATA", Path(__file__).parents[2].parent / "shared" / "data")
)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    folder = SHARED / "magnetic_tile"
    if not folder.is_dir():
        pytest.skip("the magnetic-tile photos are not here")
    table = tmp_path_factory.mktemp("tiles") / "tiles.csv"
    with open(folder / "_meta" / "groups.csv") as source, open(table, "w") as target:
        target.write("path,label,group\n")
        for row in csv.DictReader(source):
            target.write(f"{folder / row['path']},{row['class']},{row['group']}\n")
    return scan_photos(table)


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    package = pytest.importorskip("elpv_dataset")
    folder = Path(package.__file__).parent / "data"
    table = tmp_path_factory.mktemp("cells") / "cells.csv"
    with open(folder / "labels.csv") as source, open(table, "w") as target:
        target.write("path,label\n")
        for line in source:
            name, probability, _ = line.split()
            label = "defective" if float(probability) > 0.5 else "functional"
            target.write(f"{folder / name},{label}\n")
    return scan_photos(table)


def test_solar_cells_that_all_look_alike_give_few_pairs(cells):
    pairs = near_duplicates(cells.photos)
    assert len(cells) == 2624 and 200 < len(pairs) < 450
    # Sister wafers were numbered in sequence, which tells true pairs.
    numbers = [int(photo.path.stem[-4:]) for photo in cells.photos]
    assert np.median([abs(numbers[i] - numbers[j]) for i, j in pairs]) <= 3
    sides = split_photos(cells)
    assert [len(side) for side in sides] == [1574, 525, 525]
    assert check_photos(*sides).ok


def test_tiles_split_by_part_and_the_leak_of_a_random_split_shows(tiles):
    assert len(tiles) == 1344
    pairs = near_duplicates(tiles.photos)
    groups = [photo.group for photo in tiles.photos]
    wrong = sum(groups[i] != groups[j] for i, j in pairs)
    assert wrong <= 6 and len(pairs) >= 25
    by_part = split_photos(tiles)
    assert check_photos(*by_part).leaks == ()
    assert all(all(side.counts().values()) for side in by_part)
    assert abs(len(by_part[2]) / 1344 - 0.2) < 0.03
    (leak, *_) = check_photos(*split_photos(tiles, split_by="random")).leaks
    assert leak.code == "groups-across-splits" and leak.count > 180
    assert max(Counter(groups).values()) >= 6


@pytest.mark.proof
def test_5000_photos_are_scanned_and_checked_in_a_minute(tmp_path):
    rng = np.random.default_rng(0)
    base = [Image.fromarray(rng.integers(0, 255, (60, 80, 3)).astype(np.uint8)) for _ in range(50)]
    for i in range(5000):
        folder = tmp_path / "photos" / f"class{i % 5}"
        folder.mkdir(parents=True, exist_ok=True)
        picture = base[i % 50].resize((640, 480), Image.BICUBIC).rotate(i)
        picture.save(folder / f"{i}.jpg", quality=90)
    start = time.perf_counter()
    photos = scan_photos(tmp_path / "photos")
    middle = time.perf_counter()
    check_photos(photos)
    end = time.perf_counter()
    print(f"\n5,000 photos: scan {middle - start:.1f} s, check {end - middle:.1f} s")
    assert len(photos) == 5000
    assert end - start < 60
