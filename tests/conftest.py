"""Small photos of three kinds of part, easy to tell apart but for their noise; tiny bundles."""

import importlib.util
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_spec = importlib.util.spec_from_file_location(
    "tiny_bundle", Path(__file__).parent / "export" / "tiny_bundle.py"
)
_tiny = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_tiny)

CLASSES = ("dot", "plain", "stripe")
SIDE = 48


def part(kind: str, seed: int) -> np.ndarray:
    """Draw one part, uint8, shape `(SIDE, SIDE, 3)`."""
    rng = np.random.default_rng([CLASSES.index(kind), seed])
    photo = rng.normal(120, 20, (SIDE, SIDE, 3))
    y, x = rng.integers(8, SIDE - 16, 2)
    if kind == "dot":
        photo[y : y + 10, x : x + 10] -= 90
    if kind == "stripe":
        photo[:, x : x + 4] += 90
    return np.clip(photo, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def draw_part():
    """The function that draws one part."""
    return part


@pytest.fixture(scope="session")
def part_photos(tmp_path_factory) -> Path:
    """A folder with 16 photos of each class; not to be changed."""
    root = tmp_path_factory.mktemp("parts")
    for kind in CLASSES:
        (root / kind).mkdir()
        for seed in range(16):
            Image.fromarray(part(kind, seed)).save(root / kind / f"{seed:02}.png")
    return root


@pytest.fixture(scope="session")
def part_sets(part_photos):
    """The photos, split into training, validation and test sets."""
    from kerasrecipes import scan_photos, split_photos

    return split_photos(scan_photos(part_photos), test_fraction=0.25, val_fraction=0.25)


@pytest.fixture(scope="session")
def quick_recipe():
    """Makes recipes that fit in seconds: small photos, real weights, few epochs."""
    from kerasrecipes import ImageClassifier, UnfreezeSchedule

    def make(**changes):
        settings = {
            "image_size": (SIDE, SIDE),
            "schedule": UnfreezeSchedule.two_phase(epochs=2, head_epochs=2, open_fraction=0.2),
            "views": 2,
            "batch_size": 8,
        }
        return ImageClassifier(**{**settings, **changes})

    return make


@pytest.fixture(scope="session")
def fitted(part_sets, quick_recipe):
    """A fitted and evaluated recipe; not to be changed."""
    train, val, test = part_sets
    recipe = quick_recipe()
    recipe.fit(train, val, verbose=False)
    recipe.evaluate(test)
    return recipe


@pytest.fixture(scope="session")
def saved_once(fitted, tmp_path_factory):
    """A bundle of the fitted recipe with a float32 export; not to be changed."""
    bundle = fitted.save(tmp_path_factory.mktemp("models") / "parts")
    bundle.export("tflite")
    return bundle


@pytest.fixture(scope="session")
def tiny():
    """The module that makes tiny photos, models and bundles."""
    return _tiny


@pytest.fixture(scope="session")
def trained():
    return _tiny.trained_model()


@pytest.fixture(scope="session")
def exported_once(tmp_path_factory, trained):
    """A bundle with a float32 and an int8 export; not to be changed."""
    bundle = _tiny.write_bundle(tmp_path_factory.mktemp("saved_models") / "colours", trained)
    bundle.export("tflite", "float32")
    bundle.export("tflite", "int8")
    return bundle


@pytest.fixture
def exported(exported_once, tmp_path):
    """A copy of the bundle with exports, free to be damaged."""
    from kerasrecipes.bundle import Bundle

    folder = tmp_path / "colours" / "1"
    shutil.copytree(exported_once.folder, folder)
    return Bundle.load(folder)


@pytest.fixture
def bundle(exported):
    """A copy of the bundle without exports."""
    shutil.rmtree(exported.folder / "exports")
    return exported


@pytest.fixture
def photo_set(tiny, tmp_path):
    """Twelve labelled photos of the colours, scanned."""
    from kerasrecipes.data.photos import Photo, PhotoFacts, PhotoSet
    from kerasrecipes.files import digest

    pixels, labels = tiny.colour_photos(12, seed=21)
    photos = []
    for i, (photo, label) in enumerate(zip(pixels, labels, strict=True)):
        path = tmp_path / f"{i}.png"
        path.write_bytes(tiny.png(photo))
        facts = PhotoFacts(digest(path), 1, 32, 32, "RGB", "PNG", 8, 1, b"")
        photos.append(Photo(path, tiny.CLASS_NAMES[label], facts))
    return PhotoSet(tuple(photos), tuple(tiny.CLASS_NAMES), tmp_path)
