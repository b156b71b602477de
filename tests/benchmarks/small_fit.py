"""What a fit of few photos takes, from the photos to a verified file, in CPU seconds after imports.

    python tests/benchmarks/small_fit.py [--photos 24] [--rounds 5] [--beside another/checkout]

Each round runs in a process of its own; checkouts take turns. A Markdown section for RESULTS.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parents[2]


def measured(count: int) -> dict[str, float]:
    """Return the CPU seconds of each step, once."""
    from lr_finder import solar_cells

    import kerasrecipes as kr
    from kerasrecipes.environment import import_keras

    import_keras()
    photos = solar_cells(count)
    train, val, test = kr.split_photos(photos, test_fraction=0.25, val_fraction=0.25)
    recipe, taken = kr.ImageClassifier(), {}

    def timed(step: str, call):
        began = time.process_time()
        found = call()
        taken[step] = time.process_time() - began
        return found

    with tempfile.TemporaryDirectory() as folder:
        timed("fit", lambda: recipe.fit(train, val, verbose=False))
        timed("evaluate", lambda: recipe.evaluate(test))
        bundle = timed("save", lambda: recipe.save(Path(folder) / "model"))
        anything = kr.Tolerance(min_agreement=0, max_accuracy_drop=1)
        timed("export", lambda: bundle.export("tflite", tolerance=anything))
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--beside", type=Path, help="another checkout")
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        print(json.dumps(measured(arguments.photos)))
        return
    checkouts = {"here": HERE} | ({"beside": arguments.beside} if arguments.beside else {})
    found = defaultdict(lambda: defaultdict(list))
    for _ in range(arguments.rounds):
        for name, checkout in checkouts.items():
            command = [sys.executable, __file__, "--once", "--photos", str(arguments.photos)]
            alone = os.environ | {"PYTHONPATH": str(checkout.resolve())}
            done = subprocess.run(command, env=alone, capture_output=True, text=True, check=True)
            for step, seconds in json.loads(done.stdout.splitlines()[-1]).items():
                found[step][name].append(seconds)
    from kerasrecipes.environment import library_versions

    print(f"`{' '.join(['python', *sys.argv])}`\n")
    print(", ".join(f"{name} {number}" for name, number in library_versions().items()), "\n")
    print(f"| CPU s, median of {arguments.rounds} | {' | '.join(checkouts)} |")
    print("|---|" + "---|" * len(checkouts))
    for step, by in found.items():
        cells = (f"{median(by[n]):.1f} ({min(by[n]):.1f}–{max(by[n]):.1f})" for n in checkouts)
        print(f"| {step} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
