"""Networks for signals beside the classical baseline, on data of the UCR and UEA archives.

    pip download --no-deps -d data aeon==1.6.0
    unzip -q data/aeon-1.6.0-py3-none-any.whl 'aeon/datasets/data/*' -d data
    python tests/benchmarks/signals.py data/aeon/datasets/data [families …]

`ridge` is the baseline, which learns from all training signals. A network is trained as it is by
default, on four fifths of them; the last fifth chooses its weights. Five seeds each. The test
signals are those of the archive, and are looked at once.
"""

import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import kerasrecipes as kr
from kerasrecipes.training.signals.baseline import fit_baseline

DATA = ("JapaneseVowels", "BasicMotions", "GunPoint")
SEEDS = range(5)


def sets(folder: Path, name: str, seed: int):
    """Return the sides of a data set of the archive, the test as it is there."""
    with TemporaryDirectory() as alone:  # beside other forms of the same recordings
        for side in ("TRAIN", "TEST"):
            shutil.copy(folder / name / f"{name}_{side}.ts", alone)
        return kr.split_signals(kr.scan_signals(alone), seed=seed)


def right(family: str, train, val, test, seed: int) -> float:
    """Return the share of the test that a family tells right."""
    if family == "ridge":
        both = train.with_items([*train.items, *val.items])
        answers = fit_baseline(both, test, seed).answers
    else:
        recipe = kr.SequenceClassifier(family, seed=seed)
        recipe.fit(train, val, verbose=False)
        answers = recipe.predict(test)
    return float((answers.argmax(axis=1) == test.labels).mean())


def main() -> None:
    """Print a line for each data set and family."""
    folder, families = Path(sys.argv[1]), sys.argv[2:] or ["ridge", "fcn"]
    kr.set_verbosity("silent")
    for name in DATA:
        for family in families:
            begun = time.process_time()
            found = [right(family, *sets(folder, name, seed), seed) for seed in SEEDS]
            seconds = (time.process_time() - begun) / len(found)
            each = " ".join(f"{one:.4f}" for one in found)
            print(f"{name:15} {family:15} {np.mean(found):.4f} ({each})  {seconds:.1f} CPU s each")


if __name__ == "__main__":
    main()
