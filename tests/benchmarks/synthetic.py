"""Do defects drawn into good photos help where real ones are few? On validation parts alone.

    python tests/benchmarks/synthetic.py --table tiles.csv  [--folds 3] [--per-class 10] [--open]

`tiles.csv` has path, label, group and mask of the magnetic-tile photos of Huang et al., of whose
folds `quality.py` speaks. The test parts of a fold are left alone: its validation parts measure,
and a fifth of its training parts choose the weights. Of each defect so many photos are learned
from as `--per-class` says, and 150 good ones. Prints a Markdown table.
"""

import argparse
import sys
from types import SimpleNamespace

import numpy as np
from quality import HEALTHY, summary, tile_splits

import kerasrecipes as kr

# What of the defects is thin, and what is a patch.
DRAWN = {"crack": "scratch", "break": "scratch", "blowhole": "blob", "fray": "blob"}
PASTED = dict.fromkeys(("blowhole", "break", "crack", "fray", "uneven"), "paste")
MOST_GOOD = 150
ARMS = {"probe": None, "head": None, "drawn": DRAWN, "pasted": PASTED}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--table", required=True)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--per-class", type=int, default=10)
    parser.add_argument("--share", type=float, default=0.2)
    parser.add_argument("--open", action="store_true", help="train the last blocks, too")
    arguments = parser.parse_args()
    rows = {arm: [] for arm in ARMS}
    for fold, sides in tile_splits(SimpleNamespace(table=arguments.table, folds=5)):
        if fold == arguments.folds:
            break
        train, choose, measure = of_few(sides, arguments.per_class, fold)
        for arm, found in rows.items():
            recipe = made(arm, arguments, fold, train)
            recipe.fit(train, choose, verbose=False)
            found.append(told(recipe.predict(measure), measure))
            print(fold, arm, found[-1], file=sys.stderr, flush=True)
    print(f"`python {' '.join(sys.argv)}`\n")
    print("| | " + " | ".join(rows["head"][0]) + " |")
    print("|---|" + "---|" * len(rows["head"][0]))
    for arm, found in rows.items():
        cells = [[row[name] for row in found] for name in found[0]]
        print(
            f"| {arm} | " + " | ".join(f"{np.mean(c):.3f} ± {np.std(c):.3f}" for c in cells) + " |"
        )


def of_few(sides, per_class: int, seed: int):
    """Return a few photos of each defect to learn from, some to choose by, and those to measure."""
    learned, measure, _ = sides
    train, choose, _ = kr.split_photos(learned, val_fraction=0.2, test_fraction=0, seed=seed)
    rng, kept = np.random.default_rng(seed), []
    for k, name in enumerate(train.class_names):
        members = rng.permutation(np.flatnonzero(train.labels == k))
        kept.append(members[: MOST_GOOD if name in HEALTHY else per_class])
    return train.select(np.concatenate(kept)), choose, measure


def made(arm: str, arguments, seed: int, train) -> kr.ImageClassifier:
    good = next(name for name in HEALTHY if name in train.class_names)
    ways = ARMS[arm]
    synthetic = ways and kr.SyntheticDefects(ways, arguments.share, good)
    schedule = None if arguments.open else kr.UnfreezeSchedule.head_only(epochs=20)
    return kr.ImageClassifier(
        augment="factory",
        start="probe" if arm == "probe" else "head",
        schedule=schedule,
        synthetic_defects=synthetic,
        seed=seed,
    )


def told(scores: np.ndarray, photos) -> dict[str, float]:
    predicted = scores.argmax(axis=1)
    recall = {
        f"recall {name}": float(np.mean(predicted[photos.labels == k] == k))
        for k, name in enumerate(photos.class_names)
        if name not in HEALTHY
    }
    return {**summary("", scores, photos), **recall}


if __name__ == "__main__":
    main()
