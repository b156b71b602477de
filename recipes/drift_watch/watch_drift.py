"""Watch a model in use: every week's photos against those that it was measured on.

You get   a verdict in plain words, drift.db with the looks so far, and to_label.csv with the
          photos that are worth a label first.
Run       python watch_drift.py saved_models/tiles monday/          e.g. from cron, each Monday
          python watch_drift.py saved_models/tiles week_30/ --ordinary   weeks that were fine
Expect    seconds per hundred photos. Exits with 0 if all is well, 5 on an alarm, 6 if unsure.

This file is yours: copy it, read it from top to bottom, change it.
"""

import argparse
import csv
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import kerasrecipes as kr

# What you will want to change first.
LOOKS_PER_FALSE_ALARM = 520  # one alarm without cause in ten years of weekly looks
HISTORY = Path("drift.db")
TO_LABEL = Path("to_label.csv")
ALARM, UNSURE = 5, 6


def main() -> int:
    arguments = parse_arguments()
    if arguments.smoke:
        arguments.model, arguments.photos = something_small()
    elif arguments.photos is None:
        sys.exit("Name a saved model and new photos, or try --smoke.")
    found = kr.detect_drift(
        arguments.model,
        arguments.photos,
        history=HISTORY,
        ordinary=arguments.ordinary,
        looks_per_false_alarm=LOOKS_PER_FALSE_ALARM,
    )
    print(found)
    with TO_LABEL.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        csv.writer(file).writerows([["path", "label"], *([name, ""] for name in found.label_next)])
    print(
        f"\nLabel these first: {TO_LABEL} ({len(found.label_next)} photos). Then correct the line,"
    )
    print("or train again: kerasrecipes train, evaluate, export, and begin a new history.")
    print("Done.")
    if found.alarm:
        return ALARM  # the place for a message to whoever is on duty
    return UNSURE if found.verdict == "insufficient data" else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", nargs="?", help="a saved model's folder")
    parser.add_argument("photos", nargs="?", help="this week's photos: a folder, or a table")
    parser.add_argument("--ordinary", action="store_true", help="learn that these are as they are")
    parser.add_argument("--smoke", action="store_true", help="a model and photos made on the spot")
    return parser.parse_args()


def something_small() -> tuple[Path, Path]:
    """Save a small model of light and dark photos, and return it with much darker new ones."""
    folder, rng = Path(tempfile.mkdtemp()), np.random.default_rng(0)

    def photos(name: str, count: int, light: float) -> Path:
        for i in range(count):
            path = folder / name / ("dark", "light")[i % 2] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = light * (rng.integers(0, 100, (32, 32, 3)) + 120 * (i % 2))
            Image.fromarray(pixels.astype(np.uint8)).save(path)
        return folder / name

    import keras

    photo = keras.Input((32, 32, 3))
    features = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(photo)
    recipe = kr.ImageClassifier(
        kr.BackboneSpec.from_model(keras.Model(photo, features), scaling="0..1"),
        schedule=kr.UnfreezeSchedule.head_only(epochs=3),
        augment="none",
    )
    train, val, test = kr.split_photos(kr.scan_photos(photos("old", 300, 1.0)), test_fraction=0.5)
    recipe.fit(train, val, verbose=False)
    recipe.evaluate(test)
    return recipe.save(folder / "model").folder, photos("new", 200, 0.5)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (kr.KerasRecipesError, ValueError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
