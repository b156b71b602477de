"""Fine-tune a Keras model of your own: its blocks are found, frozen and opened step by step.

You get   a model in saved_models/own/<version>/ with a report, and a verified .tflite file.
Run       python fine_tune_own.py model.keras photos/ --scaling=-1..1
Expect    minutes for a small model; as long as its blocks take for a large one.

This file is yours: copy it, read it from top to bottom, change it.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
from PIL import Image

import kerasrecipes as kr

# What you will want to change first.
AUGMENT = "light"  # "flips", "factory", …
GROUP_BY = None  # e.g. r"part(\d+)": photos of one part never land on two sides of the split
OPEN_FRACTION = 0.3  # share of the model, from its end, that learns in the second stage
MODEL = "saved_models/own"


def main() -> None:
    arguments = parse_arguments()
    kr.check_model_folder(arguments.to)
    if arguments.smoke:
        model, arguments.photos, arguments.scaling = small_model(), small_photos(), "0..1"
    elif arguments.photos is None:
        sys.exit("Name your model and photos, e.g. model.keras photos/, or try --smoke.")
    else:
        model = keras.saving.load_model(arguments.model, compile=False)  # runs no code of the file

    # A head is cut off, nested models are flattened, and the copy is compared with the original.
    spec = kr.BackboneSpec.from_model(model, scaling=arguments.scaling)
    print(f"{spec.name}: {spec.parameter_count:,} weights in {len(spec.blocks)} blocks")
    photos = kr.scan_photos(arguments.photos, group_by=GROUP_BY)
    train, val, test = kr.split_photos(
        photos, test_fraction=0.25, val_fraction=0.15, seed=arguments.seed
    )
    print(kr.check_photos(train, val, test))

    epochs = {"epochs": 1, "head_epochs": 3} if arguments.smoke else {}
    recipe = kr.ImageClassifier(
        spec,
        schedule=kr.UnfreezeSchedule.two_phase(open_fraction=OPEN_FRACTION, **epochs),
        augment=AUGMENT,
        seed=arguments.seed,
    )
    print(f"\nWhat its features tell before any training:\n{recipe.probe(train, val)}")
    recipe.fit(train, val)
    print(recipe.evaluate(test))
    bundle = recipe.save(arguments.to)
    record = bundle.export("tflite")
    print(kr.Verification.from_dict(record.verification))
    print(f"Done.\n  report   {bundle.folder}/report.html\n  model    {record.path}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", nargs="?", help="a .keras file with a functional model")
    parser.add_argument("photos", nargs="?", help="a folder of photos, or a table")
    parser.add_argument(
        "--scaling", default="none", help="what the model wants to see: none, 0..1, -1..1, imagenet"
    )
    parser.add_argument("--to", type=Path, default=Path(MODEL), help="the model's folder")
    parser.add_argument("--seed", type=int, default=0, help="another split and start")
    parser.add_argument("--smoke", action="store_true", help="a model and photos made on the spot")
    return parser.parse_args()


def small_model() -> keras.Model:
    photo = x = keras.Input((32, 32, 3))
    for filters in (8, 16):
        x = keras.layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    return keras.Model(photo, x, name="small")


def small_photos() -> Path:
    """Write bright and dark photos, and return their folder."""
    folder, rng = Path(tempfile.mkdtemp()), np.random.default_rng(0)
    for i in range(80):
        path = folder / ("dark", "light")[i % 2] / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        photo = rng.integers(0, 100, (32, 32, 3)) + 120 * (i % 2)
        Image.fromarray(photo.astype(np.uint8)).save(path)
    return folder


if __name__ == "__main__":
    try:
        main()
    except (kr.KerasRecipesError, ValueError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
