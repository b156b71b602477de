"""How many photos a second are scored by one worker, and by two.

    python tests/benchmarks/score.py [--model saved_models/tiles] [--photos 2000]

Without a model, one is made as in `serving.py`: EfficientNet-Lite0 at 224 × 224, float32. Rounds of
one worker and of two take turns, so that a busy moment hits both. Prints a Markdown section for
RESULTS.md.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image
from serving import make_model

import kerasrecipes as kr
from kerasrecipes.environment import library_versions

ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--photos", type=int, default=2000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        model = asked.model or make_model(root)
        make_photos(root / "photos", asked.photos)
        rates: dict[int, list[float]] = {1: [], 2: []}
        for number in range(ROUNDS):
            for workers, found in rates.items():
                to = root / f"{workers} {number}"
                told = kr.score(model, root / "photos", to, workers=workers, shard_size=100)
                found.append(told.rows / told.seconds)
        same = {contents(root / f"{workers} {n}") for workers in rates for n in range(ROUNDS)}
    ratios = [two / one for one, two in zip(*rates.values(), strict=True)]
    print(f"`python tests/benchmarks/score.py --photos {asked.photos}`\n")
    print(", ".join(f"{name} {number}" for name, number in library_versions().items()))
    print("\n| workers | photos a second, each round |\n|---|---|")
    for workers, found in rates.items():
        print(f"| {workers} | {', '.join(f'{rate:.1f}' for rate in found)} |")
    print(f"\nTwo workers to one: {median(ratios):.2f} (median of {ROUNDS} rounds).")
    print("All files were the same." if len(same) == 1 else "THE FILES DIFFER.")


def make_photos(folder: Path, count: int) -> None:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        noise = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
        photo = Image.fromarray(noise).resize((640, 480), Image.Resampling.BICUBIC)
        photo.save(folder / f"{number:06}.jpg")


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("scores-*")))


if __name__ == "__main__":
    main()
