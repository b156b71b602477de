"""How many flipped labels are found among real photos, and how many suspects are flipped ones?

    python tests/benchmarks/label_errors.py [--seeds 0 1 2 3 4] [--flipped 0.08] [--half]

The labels of so many solar cells (the package `elpv-dataset`), drawn at random, are turned over,
and `likely_label_errors` looks for them with what `find_mistakes` uses: the frozen default
backbone, run once, and linear models, cross-validated. A suspect that was not turned over counts
as wrong, also where the package's own label is: those are ambiguous or wrong, too. Beside it stand
two simpler rules on the same answers. With `--half`, by the half of the photos that choices were
made on.
Prints a Markdown section for RESULTS.md.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import kerasrecipes as kr
from kerasrecipes.diagnosis.out_of_fold import out_of_fold, pool_blocks
from kerasrecipes.environment import library_versions
from kerasrecipes.evaluation import likely_label_errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--flipped", type=float, default=0.08)
    parser.add_argument("--half", action="store_true")
    arguments = parser.parse_args()
    photos = solar_cells()
    if arguments.half:
        photos = photos.select(np.sort(np.random.default_rng(7).permutation(len(photos))[::2]))
    started = time.perf_counter()
    features = pool_blocks("efficientnet_lite0", photos).deep
    seconds = [time.perf_counter() - started]
    rows = []
    for seed in arguments.seeds:
        started = time.perf_counter()
        rows.append(found(photos, features, arguments.flipped, seed))
        seconds.append(time.perf_counter() - started)
    print(as_markdown(rows, len(photos), arguments, seconds))


def solar_cells():
    sys.path.insert(0, str(Path(__file__).parents[2] / "recipes" / "defect_detection"))
    from demo_photos import solar_cells as written

    return kr.scan_photos(written())


def found(photos, features, share: float, seed: int) -> dict[str, tuple[float, float, int]]:
    rng = np.random.default_rng(seed)
    flipped = set(rng.permutation(len(photos))[: round(share * len(photos))].tolist())
    names = photos.class_names
    items = [
        replace(one, label=names[1 - names.index(one.label)]) if i in flipped else one
        for i, one in enumerate(photos.items)
    ]
    noisy = photos.with_items(items)
    answers = out_of_fold(noisy, features, seed)
    suspects = [one.index for one in likely_label_errors(noisy.labels, answers, names)]
    own = answers[np.arange(len(noisy)), noisy.labels]
    return {
        "`likely_label_errors`": judged(suspects, flipped),
        "any other class than the label": judged(np.flatnonzero(own < 0.5), flipped),
        "as many as are wrong, least likely labels first": judged(
            np.argsort(own, kind="stable")[: len(flipped)], flipped
        ),
    }


def judged(suspects, flipped: set[int]) -> tuple[float, float, int]:
    hits = len(flipped & set(map(int, suspects)))
    return hits / max(1, len(suspects)), hits / len(flipped), len(suspects)


def as_markdown(rows, photos: int, arguments, seconds) -> str:
    lines = [
        f"`python {' '.join(sys.argv)}`: {photos} photos, {arguments.flipped:.0%} flipped, "
        f"{len(rows)} draws; features {seconds[0]:.0f} s, each draw {np.mean(seconds[1:]):.0f} s. "
        f"{library_versions()}",
        "",
        "| rule | precision | recall | suspects |",
        "|---|---|---|---|",
    ]
    for rule in rows[0]:
        table = np.array([one[rule] for one in rows])
        cells = [
            f"{column.mean():.3f} ({column.min():.3f}–{column.max():.3f})" for column in table.T[:2]
        ]
        lines.append(f"| {rule} | {' | '.join(cells)} | {table[:, 2].mean():.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
