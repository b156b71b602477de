"""Does `kerasrecipes benchmark` notice a model that 8 bits make slower?

    python tests/benchmarks/slower_in_8_bits.py [--backbone mobilenet_v3_small]

Fits a head on random weights for one epoch, since time does not depend on what weights say, and
prints what the benchmark of its float and int8 files says. A Markdown section for RESULTS.md.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from lr_finder import solar_cells

import kerasrecipes as kr
from kerasrecipes.environment import library_versions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backbone", default="mobilenet_v3_small")
    parser.add_argument("--photos", type=int, default=120)
    arguments = parser.parse_args()
    photos = solar_cells(arguments.photos)
    train, val, test = kr.split_photos(photos, test_fraction=0.25, val_fraction=0.25)
    recipe = kr.ImageClassifier(
        arguments.backbone,
        weights=None,
        schedule=kr.UnfreezeSchedule.head_only(epochs=1),
        augment="none",
    )
    recipe.fit(train, val)
    recipe.evaluate(test)
    with tempfile.TemporaryDirectory() as folder:
        bundle = recipe.save(Path(folder) / "model")
        # Random weights say nothing that rounding would have to keep.
        anything = kr.Tolerance(min_agreement=0, max_accuracy_drop=1)
        for quantization in ("float32", "int8"):
            bundle.export("tflite", quantization, photos=test, tolerance=anything)
        found = kr.benchmark_bundle(bundle)
    print(f"`{' '.join(['python', *sys.argv])}`\n")
    print(", ".join(f"{name} {number}" for name, number in library_versions().items()), "\n")
    print(f"```\n{found}\n```")


if __name__ == "__main__":
    main()
