"""Put any Keras classifier on a phone: a verified .tflite file, and apps to begin with.

You get   saved_models/mine/<version>/ with an int8 .tflite file that was checked photo by photo
          against your model, and a small project each for Android, iOS, C++ and Python.
Run       python export_model.py model.keras photos/ --scaling=-1..1
Expect    2 to 5 minutes. Photos: one folder per class, that the model did not learn from.

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
QUANTIZATION = "int8"  # "float32" and "float16" are larger, and closer to the model
LANGUAGES = ("kotlin", "swift", "cpp", "python")
MODEL = "saved_models/mine"


def main() -> None:
    arguments = parse_arguments()
    quantization = QUANTIZATION
    if arguments.smoke:
        arguments.model, arguments.photos, arguments.scaling = *something_small(), "0..1"
        quantization = "float32"
    elif arguments.photos is None:
        sys.exit("Name your model and photos, e.g. model.keras photos/, or try --smoke.")
    kr.check_model_folder(arguments.to)

    print("1. Read the model, and photos to judge it by")
    model = keras.saving.load_model(arguments.model, compile=False)  # runs no code of the file
    photos = kr.scan_photos(arguments.photos)
    # It learned from none of these: the sides are for ranges of 8 bits, and for two measurements.
    ranges, val, test = kr.split_photos(photos, test_fraction=0.5, val_fraction=0.25)
    recipe = kr.adopt_model(model, ranges, val, scaling=arguments.scaling)
    print(recipe.evaluate(test))

    print("\n2. Write the file, and prove that it is the same model")
    bundle = recipe.save(arguments.to)
    record = bundle.export("tflite", quantization=quantization)
    print(kr.Verification.from_dict(record.verification))

    print("\n3. Apps to begin with")
    for language in LANGUAGES:
        folder = kr.write_starter(bundle, language, Path(f"{arguments.to}-{language}"))
        print(f"  {folder}/README.md")
    print(f"Done. The file: {record.path}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", nargs="?", help="a .keras file: one photo to probabilities")
    parser.add_argument("photos", nargs="?", help="a folder of photos, or a table")
    parser.add_argument(
        "--scaling", default="none", help="what the model wants to see: none, 0..1, -1..1, imagenet"
    )
    parser.add_argument("--to", type=Path, default=Path(MODEL), help="the model's folder")
    parser.add_argument("--smoke", action="store_true", help="a model and photos made on the spot")
    return parser.parse_args()


def something_small() -> tuple[Path, Path]:
    """Train a small model on bright and dark photos, and return its file and the photos."""
    folder, rng = Path(tempfile.mkdtemp()), np.random.default_rng(0)
    pixels = rng.integers(0, 100, (80, 32, 32, 3)) + 120 * (np.arange(80) % 2)[:, None, None, None]
    for i, photo in enumerate(pixels.astype(np.uint8)):
        path = folder / "photos" / ("dark", "light")[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo).save(path)
    photo = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(photo)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(photo, keras.layers.Dense(2, activation="softmax")(x))
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    model.fit(pixels / 255, np.arange(80) % 2, epochs=12, verbose=0)
    model.save(folder / "model.keras")
    return folder / "model.keras", folder / "photos"


if __name__ == "__main__":
    try:
        main()
    except (kr.KerasRecipesError, ValueError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
