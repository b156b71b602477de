"""How good is a model of a few photos of each class, and does the choice on folds find the best?

    python tests/benchmarks/few_photos.py elpv trashnet=photos tiles=tiles.csv --cache features
        [--per-class 5 10 20 50] [--seeds 0 1 2 3 4] [--fit]

`elpv` takes the photos of the package `elpv-dataset`; the others are a folder or table each, split
by group where it has groups. Each draw sets a quarter of the photos aside (of `tiles` a fold by
part, as in quality.py), and takes so many of the others of each class. The probe, as `fit` chooses
and solves it, stands beside each of its candidates and a plain logistic regression on the last
layer, on the same photos. All read features that the backbone computes once; `--cache` keeps them.
With `--fit`, the recipe that trains its head and opens blocks, `start="head"`, is fitted, too,
which takes minutes for each draw. Prints a Markdown section for RESULTS.md.
"""

import argparse
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from quality import elpv_splits, few, probe, tile_splits

import kerasrecipes as kr
from kerasrecipes.data.inference import predict_scores
from kerasrecipes.environment import library_versions
from kerasrecipes.evaluation.scores import top_classes
from kerasrecipes.heads import make_head
from kerasrecipes.statistics.resampled import log_losses
from kerasrecipes.training.linear.depths import DepthFeatures, depth_features
from kerasrecipes.training.linear.probe import choice_for
from kerasrecipes.training.linear.regression import linear_weights

PROBE, PLAIN, RECIPE = "the probe", "last layer, standardised, C=0.01", "start='head'"
NUMBERS = ("accuracy", "balanced accuracy", "log-loss")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", nargs="+", help="elpv, or name=folder, or tiles=table")
    parser.add_argument("--per-class", type=int, nargs="+", default=[5, 10, 20, 50])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--cache", type=Path, help="a folder for features")
    parser.add_argument("--fit", action="store_true", help="fit the recipe that opens blocks, too")
    arguments = parser.parse_args()
    print(f"`{' '.join(['python', *sys.argv])}`\n")
    print(", ".join(f"{name} {number}" for name, number in library_versions().items()))
    for given in arguments.data:
        name, _, source = given.partition("=")
        features, found = None, {count: [] for count in arguments.per_class}
        for seed, sides in splits(name, source, arguments.seeds):
            features = features or features_of(name, sides, arguments.cache)
            for count in arguments.per_class:
                drawn = few(sides, count, seed)
                found[count].append(measured(drawn, features, seed, arguments.fit))
                print(name, count, seed, found[count][-1], file=sys.stderr, flush=True)
        for count, rows in found.items():
            print(f"\n{name}, {count} photos of each class\n\n{as_markdown(rows)}", flush=True)


def splits(name: str, source: str, seeds: list[int]):
    if name == "elpv":
        yield from elpv_splits(SimpleNamespace(seeds=seeds))
    elif name == "tiles":
        for fold, sides in tile_splits(SimpleNamespace(table=source, folds=5)):
            if fold in seeds:
                yield fold, sides
    else:
        photos = kr.scan_photos(source)
        for seed in seeds:
            yield seed, kr.split_photos(photos, test_fraction=0.25, val_fraction=0.1, seed=seed)


def features_of(name: str, sides, cache: Path | None) -> dict[str, DepthFeatures]:
    """Return what the backbone sees of each photo, by its digest."""
    file = None if cache is None else cache / f"{name}.npz"
    if file is not None and file.exists():
        kept = np.load(file)
        rows, widths, keys = kept["rows"], kept["widths"], kept["keys"].tolist()
        found = DepthFeatures(rows, tuple(widths.tolist()), tuple(kept["depths"].tolist()))
    else:
        train, val, test = sides
        photos = train.with_items((*train.items, *val.items, *test.items))
        spec = kr.get_backbone(kr.ImageClassifier().backbone)
        (found,) = depth_features(spec.build(), spec, None, photos)
        keys = [photo.key for photo in photos.items]
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            facts = {"widths": found.widths, "depths": found.depths, "keys": np.array(keys)}
            np.savez(file, rows=found.rows, **facts)
    return {"all": found, **{key: i for i, key in enumerate(keys)}}


def measured(drawn, features: dict, seed: int, fit: bool) -> dict[str, dict[str, float]]:
    train, val, test = drawn
    both = train.with_items((*train.items, *val.items))
    learned, held_out = (
        features["all"].select(np.array([features[photo.key] for photo in side.items]))
        for side in (both, test)
    )
    head, started = make_head("classification"), time.process_time()
    choice = choice_for(both, learned, head, "auto", seed, train.split_by)
    weights = linear_weights(both, head.output(both), "auto")

    def said(taken) -> np.ndarray:
        model = taken.solve(learned, both.labels, weights)
        return model.answers(held_out.last(model.depths))

    rows = {PROBE: judged(said(choice), test)}
    rows[PROBE]["CPU seconds"] = time.process_time() - started
    for trial in sorted(choice.trials, key=lambda trial: str(trial.candidate)):
        rows[str(trial.candidate)] = judged(said(choice.taking([trial])), test)
    last = slice(-learned.widths[-1], -learned.widths[-1] // 2)  # averages, without maxima
    plain = probe().fit(learned.rows[:, last], both.labels)
    rows[PLAIN] = judged(plain.predict_proba(held_out.rows[:, last]), test)
    if fit:
        recipe, started = kr.ImageClassifier(start="head", seed=seed), time.process_time()
        recipe.fit(train, val, verbose=False)
        rows[RECIPE] = judged(predict_scores(recipe.model_, test), test)
        rows[RECIPE]["CPU seconds"] = time.process_time() - started
    return rows


def judged(scores: np.ndarray, test) -> dict[str, float]:
    from sklearn.metrics import balanced_accuracy_score

    predicted = top_classes(scores)
    return {
        "accuracy": float(np.mean(predicted == test.labels)),
        "balanced accuracy": float(balanced_accuracy_score(test.labels, predicted)),
        "log-loss": float(log_losses(test.labels, scores).mean()),
    }


def as_markdown(draws: list[dict[str, dict[str, float]]]) -> str:
    """Means over the draws, and what each is beside the probe in accuracy, paired."""
    from scipy.stats import t

    def column(name: str, number: str) -> np.ndarray:
        return np.array([draw[name].get(number, np.nan) for draw in draws])

    lines = [f"| | {' | '.join(NUMBERS)} | accuracy beside the probe | CPU seconds |"]
    lines += ["|---|---|---|---|---|---|"]
    for name in draws[0]:
        cells = [f"{column(name, number).mean():.3f}" for number in NUMBERS]
        gap = column(name, "accuracy") - column(PROBE, "accuracy")
        wide = t.ppf(0.975, len(gap) - 1) * gap.std(ddof=1) / np.sqrt(len(gap))
        beside = f"{gap.mean():+.3f} ± {wide:.3f}" if name != PROBE else ""
        seconds = column(name, "CPU seconds").mean()
        cells += [beside, "" if np.isnan(seconds) else f"{seconds:.1f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
