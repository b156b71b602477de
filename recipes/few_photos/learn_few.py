"""Learn from ten photos a class: what the backbone knows already, and how sure one can be.

You get   a model in saved_models/few/<version>/, a .tflite file, and an interval that says how
          little so few photos prove.
Run       python learn_few.py photos/           one folder per class, or a table with path,label
Expect    less than a minute on 2 cores.

This file is yours: copy it, read it from top to bottom, change it.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import kerasrecipes as kr

# What you will want to change first.
BACKBONE = "efficientnet_lite0"  # `kerasrecipes ls` names the others
GROUP_BY = None  # e.g. r"part(\d+)": photos of one part never land on two sides of the split
MODEL = "saved_models/few"


def main() -> None:
    arguments = parse_arguments()
    kr.check_model_folder(arguments.to)
    if arguments.smoke:
        arguments.photos = small_photos()
    elif arguments.photos is None:
        sys.exit("Name a folder of photos, or try --smoke.")
    photos = kr.scan_photos(arguments.photos, group_by=GROUP_BY)
    train, val, test = kr.split_photos(
        photos, test_fraction=0.4, val_fraction=0.2, seed=arguments.seed
    )
    print(kr.check_photos(train, val, test))

    # It starts from the best linear model of what the backbone sees. With so few photos it mostly
    # stays that: there is too little to move a backbone by, and every photo is learned from.
    recipe = kr.ImageClassifier(
        BACKBONE, image_size=(64, 64) if arguments.smoke else None, seed=arguments.seed
    )
    print(recipe.fit(train, val))
    found = recipe.evaluate(test)
    print(f"\nOn {found.n} photos that it had never seen:\n{found}")

    bundle = recipe.save(arguments.to)
    record = bundle.export("tflite")
    print(kr.Verification.from_dict(record.verification))
    low, high = found.accuracy.low, found.accuracy.high
    print(
        f"\nDone. It is right on {found.accuracy.percent()} of them. With {found.n} the true "
        f"share may be anywhere from {low:.0%} to {high:.0%}:\nphotograph more where it matters; "
        f"which ones, `kerasrecipes review {bundle.folder} {arguments.photos}` shows.\n"
        f"  report   {bundle.folder}/report.html\n  model    {record.path}"
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", nargs="?", help="a folder of photos, or a table")
    parser.add_argument("--to", type=Path, default=Path(MODEL), help="the model's folder")
    parser.add_argument("--seed", type=int, default=0, help="another split and start")
    parser.add_argument("--smoke", action="store_true", help="a run of seconds that proves little")
    return parser.parse_args()


def small_photos() -> Path:
    """Write 30 photos, bright and dark ones, and return their folder."""
    folder, rng = Path(tempfile.mkdtemp()), np.random.default_rng(0)
    for i in range(30):
        path = folder / ("dark", "light")[i % 2] / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        photo = rng.integers(0, 100, (96, 96, 3)) + 120 * (i % 2)
        Image.fromarray(photo.astype(np.uint8)).save(path)
    return folder


if __name__ == "__main__":
    try:
        main()
    except (kr.KerasRecipesError, ValueError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
