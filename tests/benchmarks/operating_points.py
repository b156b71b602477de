"""Does a threshold hold on new photos what validation photos promised, over many splits?

    python tests/benchmarks/operating_points.py  [--splits 20] [--recall 0.95] [--cache file.npz]

Takes the photos of the package `elpv-dataset`, split anew 50/25/25 by each seed. The model is a
logistic regression on the pooled features of the frozen default backbone, which are computed once:
a fit of the whole recipe for each split would take hours, and the promises hold for any scores. On
each validation split it chooses a threshold for the recall, an abstain band for 5 % and another for
each class, and a rule by cost where a miss costs ten false alarms and a person a third of one; the
test split tells what became of them. Prints a Markdown section for RESULTS.md.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import kerasrecipes as kr
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.environment import library_versions
from kerasrecipes.evaluation.operating.conformal import abstain_band
from kerasrecipes.evaluation.operating.costs import calibrated, cost_rule
from kerasrecipes.evaluation.operating.decisions import judge_decisions
from kerasrecipes.evaluation.operating.thresholds import (
    AlarmScores,
    point_for_recall,
    stated_recall,
)

MISS, FALSE_ALARM, PERSON = 10.0, 1.0, 0.3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--cache", type=Path, help="keep the features here, or take them from here")
    arguments = parser.parse_args()
    features, labels, names = cached_features(arguments.cache)
    rows = [measure(seed, features, labels, names, arguments) for seed in range(arguments.splits)]
    print(as_markdown(rows, arguments.recall, " ".join(["python", *sys.argv])))


def cached_features(cache: Path | None):
    if cache is not None and cache.exists():
        with np.load(cache) as kept:
            return kept["features"], kept["labels"], tuple(map(str, kept["names"]))
    sys.path.insert(0, str(Path(__file__).parents[2] / "recipes" / "defect_detection"))
    from demo_photos import solar_cells

    from kerasrecipes.training.linear.depths import depth_features

    photos = kr.scan_photos(solar_cells())
    spec = kr.get_backbone(kr.ImageClassifier().backbone)
    features = depth_features(spec.build(), spec, 1, photos)[0].rows
    if cache is not None:
        np.savez(cache, features=features, labels=photos.labels, names=photos.class_names)
    return features, photos.labels, photos.class_names


def measure(seed: int, features, labels, names, arguments) -> dict[str, float]:
    order = np.random.default_rng(seed).permutation(len(labels))
    train, val, test = np.split(order, [len(order) // 2, 3 * len(order) // 4])
    model = chosen_model(features, labels, train, val)
    scores = {
        "val": model.predict_proba(features[val]),
        "test": model.predict_proba(features[test]),
    }
    defect = [name for name in names if name not in {"good", "functional"}]
    told = AlarmScores.of(scores["val"], labels[val], names, defect)
    point = point_for_recall(told, arguments.recall)
    seen = AlarmScores.of(scores["test"], labels[test], names, defect).point(point.threshold)
    output = OutputSpec(name="scores", task="classification", class_names=names)
    bands = {
        name: judged(output, labels[test], scores["test"], abstain=band)
        for name, band in (
            ("band", abstain_band(scores["val"], labels[val], 0.95)),
            ("bands", abstain_band(scores["val"], labels[val], 0.95, per_class=True)),
        )
    }
    costs = np.full((2, 3), PERSON)
    costs[:, :2] = (
        [[0, FALSE_ALARM], [MISS, 0]] if names[1] in defect else [[0, MISS], [FALSE_ALARM, 0]]
    )
    rule = calibrated(cost_rule(costs, 2), scores["val"], labels[val])
    cost = judged(output, labels[test], scores["test"], costs=rule)
    return {
        "defects": told.positive.size,
        "met": point.met,
        "promised": point.least_recall,
        "stated": [point.recall.low, point.recall.high],
        "expected": stated_recall(
            round(point.recall.value * point.positives), point.positives, seen.positives
        ),
        "recall": seen.recall.value,
        "recall interval": [seen.recall.low, seen.recall.high],
        "false rejects": seen.false_rejects.value,
        "band open": bands["band"].kept_open.value,
        "band left": bands["band"].abstained.value,
        "band wrong": bands["band"].wrong.value,
        "bands open": min(one.kept_open.value for one in bands["bands"].classes),
        "bands left": bands["bands"].abstained.value,
        "cost": cost.cost.after,
        "top cost": cost.cost.before,
        "cost left": cost.abstained.value,
    }


def judged(output: OutputSpec, targets, scores, **rule):
    return judge_decisions(output.model_copy(update=rule), targets, scores)


def chosen_model(features, labels, train, val):
    """Regularise as the validation photos have it best."""
    found = []
    for strength in (0.0003, 0.001, 0.003):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=400))
        model.fit(features[train], labels[train])
        said = model.predict_proba(features[val])[np.arange(len(val)), labels[val]]
        found.append((-np.log(np.maximum(said, 1e-7)).mean(), strength, model))
    return min(found, key=lambda one: one[0])[2]


def as_markdown(rows, recall: float, command: str) -> str:
    def column(name):
        return np.array([row[name] for row in rows])

    def spread(name):
        values = column(name)
        return f"{values.mean():.1%} ({values.min():.1%} to {values.max():.1%})"

    stated, own, expected = (column(one) for one in ("stated", "recall interval", "expected"))
    as_expected = (expected[:, 0] <= column("recall")) & (column("recall") <= expected[:, 1])
    within = (stated[:, 0] <= column("recall")) & (column("recall") <= stated[:, 1])
    agree = (own[:, 1] >= column("promised")) & column("met")
    of, costs = f"of {len(rows)}", [column(name).mean() for name in ("cost", "top cost")]
    told = {
        f"recall of {recall} shown to hold, with 95 % confidence": f"{column('met').sum()} {of}",
        "recall on the test": spread("recall"),
        "false rejects on the test": spread("false rejects"),
        "test recall where it was said to lie on so many photos": f"{as_expected.sum()} {of}",
        "test recall within validation's interval of the true recall": f"{within.sum()} {of}",
        "test recall as promised, within its own interval": f"{agree.sum()} {of}",
        "abstain 5 %: right class left open": spread("band open"),
        "… left to a person": spread("band left"),
        "… answered, and wrongly": spread("band wrong"),
        "abstain 5 % per class: right class left open, of the worse one": spread("bands open"),
        "… left to a person ": spread("bands left"),
        "cost of a photo by the rule, and by the top class": f"{costs[0]:.3f}, {costs[1]:.3f}",
        "… left to a person  ": spread("cost left"),
    }
    lines = [
        f"`{command}` ({', '.join(f'{k} {v}' for k, v in library_versions().items())})",
        "",
        f"{len(rows)} splits, {column('defects').mean():.0f} defects among the validation photos.",
        "",
        "| what | over the splits: mean (lowest to highest) |",
        "|---|---|",
        *(f"| {name.strip()} | {value} |" for name, value in told.items()),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
