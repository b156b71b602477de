"""Small defects on large photos by tiles: with masks, without, and on photos squeezed into one.

    python tests/benchmarks/tiles.py --table tiles.csv [--draws 3]

`tiles.csv` has path, label, group and mask of the magnetic-tile photos of Huang et al. There are no
large photos with small defects that can be had, so these are made: a good photo and its mirror
images cover 3 × 4 fields of 224 pixels, and another photo lies in one of them, with a defect or, on
good plates too, without. Of the parts of a fold of `quality.py` those of training make the plates
that are learned from, those of validation the ones that choose, and those of the test the ones that
measure. All arms are linear models of the frozen backbone. How a tile is found without masks was
chosen by how often it was right on training plates of the first two draws.
Prints a Markdown table, and of plates without masks how often the tile that counts as the defect
shows some of it, or a quarter, beside the share of all their tiles that do.
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image
from quality import HEALTHY, tile_splits
from sklearn.metrics import roc_auc_score

import kerasrecipes as kr
from kerasrecipes.photos.tiled.tiles import marked_on, tiles_of
from kerasrecipes.settings.judging import judge_recipe
from kerasrecipes.training.tiled.fitting import check_tiling
from kerasrecipes.training.tiled.searching import search_tiles

FIELDS, SIDE = (3, 4), 224
TILING = kr.Tiling((FIELDS[0] * SIDE, FIELDS[1] * SIDE))
# Good and defective plates of each side.
COUNTS = {"train": 50, "val": 25, "test": 50}
ARMS = ("squeezed", "tiles, masks", "tiles, no masks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--table", required=True)
    parser.add_argument("--draws", type=int, default=3)
    arguments = parser.parse_args()
    found, hits = {arm: [] for arm in ARMS}, []
    for draw, sides in tile_splits(SimpleNamespace(table=arguments.table, folds=5)):
        if draw == arguments.draws:
            break
        with tempfile.TemporaryDirectory() as folder:
            plates = kr.split_photos(kr.scan_photos(laid(Path(folder), sides, draw)), near=False)
            for arm in ARMS:
                found[arm].append(measured(arm, *plates, draw))
                print(draw, arm, found[arm][-1], file=sys.stderr, flush=True)
            hits.append(searched(*plates[:2]))
            print(draw, hits[-1], file=sys.stderr, flush=True)
    print(f"`python {' '.join(sys.argv)}`\n")
    print("| | AUC of defects | accuracy |\n|---|---|---|")
    for arm, rows in found.items():
        cells = [f"{np.mean(one):.3f} ± {np.std(one):.3f}" for one in zip(*rows, strict=True)]
        print(f"| {arm} | {' | '.join(cells)} |")
    some, quarter, by_chance = np.mean(hits, axis=0)
    print(
        f"\nfound without masks: {some:.2f} some of it, {quarter:.2f} a quarter ({by_chance:.2f})"
    )


def laid(folder: Path, sides, seed: int) -> Path:
    """Write plates, their masks and a table of them."""
    rng, rows = np.random.default_rng(seed), ["path,label,split,group,mask"]
    for side, photos in zip(COUNTS, sides, strict=True):
        good = [one for one in photos.photos if one.label in HEALTHY]
        bad = [one for one in photos.photos if one.label not in HEALTHY]
        bad = [one for one in bad if _marked(one).any()]
        for i in range(2 * COUNTS[side]):
            name, inner = f"{side}{i}", rng.choice(bad if i % 2 else good)
            plate = np.tile(_mirrored(_read(rng.choice(good).path)), (2, 2, 1))
            row, column = (int(rng.integers(count)) * SIDE for count in FIELDS)
            plate = plate[: FIELDS[0] * SIDE, : FIELDS[1] * SIDE].copy()
            plate[row : row + SIDE, column : column + SIDE] = _read(inner.path)
            Image.fromarray(plate).save(folder / f"{name}.png")
            mask = ""
            if i % 2:
                mask, marked = f"{name}-mask.png", np.zeros(plate.shape[:2], np.uint8)
                marked[row : row + SIDE, column : column + SIDE] = 255 * _marked(inner)
                Image.fromarray(marked).save(folder / mask)
            rows.append(f"{name}.png,{'defect' if i % 2 else 'good'},{side},{name},{mask}")
    (folder / "plates.csv").write_text("\n".join(rows))
    return folder / "plates.csv"


def _read(path: Path, how: Image.Resampling = Image.Resampling.BICUBIC) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB").resize((SIDE, SIDE), how))


def _marked(photo: kr.Photo) -> np.ndarray:
    return _read(photo.mask, Image.Resampling.BOX)[..., 0] > 0  # however thin


def _mirrored(photo: np.ndarray) -> np.ndarray:
    """Return a photo beside and above its mirror images."""
    pair = np.concatenate([photo, photo[:, ::-1]], axis=1)
    return np.concatenate([pair, pair[::-1]], axis=0)


def measured(arm, train, choose, measure, seed) -> tuple[float, float]:
    """Fit one arm, and return its AUC of defective against good plates, and its accuracy."""
    recipe = kr.ImageClassifier(
        start="probe", schedule=kr.UnfreezeSchedule.head_only(epochs=1), seed=seed
    )
    if arm == "squeezed":
        recipe.fit(train, choose, verbose=False)
    else:
        both = (train, choose) if arm == "tiles, masks" else map(unmarked, (train, choose))
        recipe = kr.fit_tiles(recipe, *both, TILING, verbose=False)
    scores, good = recipe.predict(measure), measure.class_names.index("good")
    auc = roc_auc_score(measure.labels != good, 1 - scores[:, good])
    return float(auc), float((scores.argmax(axis=1) == measure.labels).mean())


def unmarked(photos):
    """Return the photos as if nobody had drawn their defects."""
    return photos.with_items(replace(one, mask=None) for one in photos.photos)


def searched(train, choose) -> tuple[float, float, float]:
    """Return how often the tile that is found shows a defect."""
    judged = judge_recipe(kr.ImageClassifier())
    grid = check_tiling(TILING, judged)
    shown = search_tiles(judged, unmarked(train), unmarked(choose), TILING, grid)
    shares, all_of = [], []
    for photo in (one for side in (train, choose) for one in side.photos if one.mask):
        mask = marked_on(photo, TILING.photo_size, train.policy)
        tiles = tiles_of(photo, TILING.photo_size, grid)
        of_tiles = np.array([one.cut(mask).sum() / mask.sum() for one in tiles])
        shares.append(of_tiles[shown[photo.key]])
        all_of.append(np.mean(of_tiles >= 0.25))
    found = np.array(shares)
    return float((found > 0).mean()), float((found >= 0.25).mean()), float(np.mean(all_of))


if __name__ == "__main__":
    main()
