"""How good is the default recipe on real photos, and how much does the int8 file lose?

    python tests/benchmarks/quality.py elpv  [--seeds 0 1 2] [--per-class 10]
    python tests/benchmarks/quality.py tiles --table tiles.csv  [--folds 5] [--per-class 10]

`elpv` takes the photos of the package `elpv-dataset`, split 75/25 once per seed. `tiles` takes
a table with path, label and group of the magnetic-tile photos of Huang et al., split into folds
by group. Beside the recipe stands a logistic regression on the frozen backbone's features, on
the same photos. With `--per-class`, both learn from so few photos of each class, of which the
recipe chooses its weights by a fifth. Prints a Markdown section for RESULTS.md.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import kerasrecipes as kr
from kerasrecipes.data.inference import predict_scores
from kerasrecipes.environment import library_versions

HEALTHY = ("good", "free")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", choices=["elpv", "tiles"])
    parser.add_argument("--table", help="the table of the tiles")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--per-class", type=int, help="learn from so few photos of each class")
    parser.add_argument("--augment", default="factory")
    parser.add_argument("--loss", help="a name of list_losses(); the default is cross-entropy")
    arguments = parser.parse_args()
    splits = elpv_splits(arguments) if arguments.data == "elpv" else tile_splits(arguments)
    settings = {"augment": arguments.augment, "loss": arguments.loss}
    if arguments.per_class:
        splits = ((seed, few(sides, arguments.per_class, seed)) for seed, sides in splits)
    rows = [measure(seed, sides, settings) for seed, sides in splits]
    print(as_markdown(rows, " ".join(["python", *sys.argv])))


def elpv_splits(arguments):
    recipe = Path(__file__).parents[2] / "recipes" / "defect_detection"
    sys.path.insert(0, str(recipe))
    from demo_photos import solar_cells

    photos = kr.scan_photos(solar_cells())
    for seed in arguments.seeds:
        yield seed, kr.split_photos(photos, test_fraction=0.25, val_fraction=0.1, seed=seed)


def tile_splits(arguments):
    """Every part is in the test set of exactly one fold."""
    from sklearn.model_selection import StratifiedGroupKFold

    photos = kr.scan_photos(arguments.table)
    groups = [photo.group for photo in photos.photos]
    folds = StratifiedGroupKFold(arguments.folds, shuffle=True, random_state=0)
    for fold, (_, test) in enumerate(folds.split(groups, photos.labels, groups)):
        in_test = set(test.tolist())
        declared = tuple(
            replace(photo, split="test" if i in in_test else "train")
            for i, photo in enumerate(photos.photos)
        )
        sides = kr.split_photos(replace(photos, photos=declared), val_fraction=0.2, seed=fold)
        yield fold, sides


def few(sides, per_class: int, seed: int):
    """Draw a few photos of each class, four fifths of them to train on."""
    train, val, test = sides
    to_choose = max(1, per_class // 5)
    counts = (per_class - to_choose, to_choose)
    rng = np.random.default_rng(seed)
    drawn = []
    for side, count in zip((train, val), counts, strict=True):
        of_class = [np.flatnonzero(side.labels == k) for k in range(len(side.class_names))]
        chosen = [rng.permutation(members)[:count] for members in of_class]
        drawn.append(side.select(np.concatenate(chosen)))
    return *drawn, test


def measure(seed: int, sides, settings: dict) -> dict[str, float]:
    train, val, test = sides
    started = time.monotonic()
    recipe = kr.ImageClassifier(**settings, seed=seed)
    recipe.fit(train, val)
    minutes = (time.monotonic() - started) / 60
    evaluation = recipe.evaluate(test)
    row = {
        "run": seed,
        "minutes": minutes,
        **summary("", recipe.fitted_.golden.answers, test),
        **summary("probe ", probe_scores(train, val, test), test),
    }
    with tempfile.TemporaryDirectory() as folder:
        bundle = recipe.save(Path(folder) / "model")
        # What would be refused is measured, too.
        anything = kr.Tolerance(min_agreement=0, max_accuracy_drop=1)
        records = [
            bundle.export("tflite", q, photos=test, tolerance=anything) for q in ("float32", "int8")
        ]
        exact, small = (kr.Verification.from_dict(record.verification) for record in records)
    row |= {
        "int8 accuracy difference": small.accuracy_difference,
        "int8 agreement": small.agreement,
        "int8 size ratio": small.size_bytes / exact.size_bytes,
        "int8 latency ratio": small.latency[1].median_ms / exact.latency[1].median_ms,
        "non-built-in ops": small.non_builtin_ops + exact.non_builtin_ops,
    }
    print(f"{row}\n{evaluation}", file=sys.stderr, flush=True)
    return row


def summary(prefix: str, scores: np.ndarray, test) -> dict[str, float]:
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score

    healthy = next(test.class_names.index(name) for name in HEALTHY if name in test.class_names)
    predicted = scores.argmax(axis=1)
    return {
        f"{prefix}accuracy": float(np.mean(predicted == test.labels)),
        f"{prefix}balanced accuracy": float(balanced_accuracy_score(test.labels, predicted)),
        f"{prefix}defect AUC": float(roc_auc_score(test.labels != healthy, 1 - scores[:, healthy])),
    }


def probe_scores(train, val, test) -> np.ndarray:
    """Logistic regression on the frozen backbone's pooled features."""
    x = np.concatenate([frozen_features(side) for side in (train, val)])
    y = np.concatenate([train.labels, val.labels])
    return probe().fit(x, y).predict_proba(frozen_features(test))


def frozen_features(photos) -> np.ndarray:
    import keras

    backbone = kr.get_backbone("efficientnet_lite0").build()
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    return predict_scores(keras.Model(backbone.input, pooled), photos)


def probe():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))


def as_markdown(rows: list[dict[str, float]], command: str) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in library_versions().items())
    names = [name for name in rows[0] if name != "run"]
    lines = [f"`{command}`", "", versions, ""]
    lines += ["| | " + " | ".join(f"run {row['run']}" for row in rows) + " | mean | sd |"]
    lines += ["|---|" + "---|" * (len(rows) + 2)]
    for name in names:
        values = np.array([row[name] for row in rows], dtype=float)
        spread = values.std(ddof=1) if len(values) > 1 else float("nan")
        cells = [f"{value:.3f}" for value in (*values, values.mean(), spread)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
