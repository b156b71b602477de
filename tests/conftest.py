"""Small photos of three kinds of part, easy to tell apart but for their noise; tiny bundles."""

import base64
import gc
import os
import shutil
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tiny_bundle
from browser import browser, open_page
from children import end_child, start_child
from textures import make
from tiny_backbone import tiny_backbone
from tiny_bert import draw_texts, tiny_bert, write_table
from tiny_signals import tiny_net, write_recordings

__all__ = ["browser", "end_child", "make", "open_page", "start_child"]  # fixtures

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

FIXTURES = Path(__file__).parent / "fixtures"
CLASSES = ("dot", "plain", "stripe")
SIDE, SMALL_SIDE = 48, 24
BLANK = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsEWvYAAAAABJRU5ErkJggg=="
)


def pytest_collection_finish():
    """What is imported by now stays: looking for garbage in it takes a twentieth of the time."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def draw():
    """How pictures are drawn; see `drawn`. Others are blank: saved models have four each."""
    from kerasrecipes.report.plots import style

    with pytest.MonkeyPatch.context() as patch:
        own = style._drawn
        patch.setattr(style, "_drawn", lambda figure, dpi: BLANK)
        yield own


@pytest.fixture
def drawn(draw, monkeypatch):
    """Pictures are drawn as they are for users."""
    monkeypatch.setattr("kerasrecipes.report.plots.style._drawn", draw)


@pytest.fixture(scope="session", autouse=True)
def costs():
    """What exports cost; see `costly`. Others cost what the first one of their format did."""
    from kerasrecipes.verify import checking

    own = {name: getattr(checking, name) for name in ("measure_footprint", "benchmark_export")}
    with pytest.MonkeyPatch.context() as patch:
        for name, measure in own.items():
            patch.setattr(checking, name, _remembered(measure))
        yield own


def _remembered(measure):
    found = {}

    def known(path, *given):
        if (kind := Path(path).suffix) not in found:
            found[kind] = measure(path, *given)
        return found[kind]

    return known


@pytest.fixture
def costly(costs, monkeypatch):
    """Exports are timed one by one, each in a process of its own, as they are for users."""
    for name, measure in costs.items():
        monkeypatch.setattr(f"kerasrecipes.verify.checking.{name}", measure)


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
def tiny_spec():
    """Makes backbones of two layers with weights that are always the same; wider is slower."""
    return tiny_backbone


CATALOGUED = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from tiny_backbone import tiny_backbone
from kerasrecipes import register_backbone
from kerasrecipes.cli import main
register_backbone(tiny_backbone())
main()
"""


@pytest.fixture
def tiny_known(monkeypatch, tiny_spec):
    """The catalogue has the backbone `tiny`."""
    from kerasrecipes import backbones

    monkeypatch.setitem(backbones._REGISTRY.added, "tiny", tiny_spec())


@pytest.fixture
def tiny_command(tiny_known) -> list[str]:
    """Begins a command line for a process whose catalogue has the backbone `tiny`, as here."""
    return [sys.executable, "-c", CATALOGUED, str(FIXTURES)]


@pytest.fixture(scope="session")
def tickets(tmp_path_factory) -> Path:
    """A table with 40 texts of each of three topics; not to be changed."""
    return write_table(tmp_path_factory.mktemp("tickets") / "tickets.jsonl", draw_texts(120))


@pytest.fixture(scope="session")
def ticket_sets(tickets):
    """The texts, split into training, validation and test sets."""
    from kerasrecipes import scan_texts, split_texts

    return split_texts(scan_texts(tickets), test_fraction=0.25, val_fraction=0.25, near=False)


@pytest.fixture(scope="session")
def text_fitted(ticket_sets):
    """A fitted `TextClassifier` that was measured on its test; not to be changed."""
    from kerasrecipes import TextClassifier, UnfreezeSchedule

    train, val, test = ticket_sets
    schedule = UnfreezeSchedule.two_phase(
        1, 1e-3, head_epochs=12, head_learning_rate=0.03, open_fraction=0.4
    )
    recipe = TextClassifier(tiny_bert(), schedule=schedule, batch_size=8)
    recipe.fit(train, val, verbose=False)
    recipe.evaluate(test)
    return recipe


@pytest.fixture(scope="session")
def text_bundle(text_fitted, tmp_path_factory):
    """Its bundle, with the usual `.tflite` file; not to be changed."""
    bundle = text_fitted.save(tmp_path_factory.mktemp("models") / "tickets")
    bundle.export()
    return bundle


@pytest.fixture(scope="session")
def recordings(tmp_path_factory) -> Path:
    """A folder with 20 recordings of each of three movements; not to be changed."""
    return write_recordings(tmp_path_factory.mktemp("recordings") / "moves")


@pytest.fixture(scope="session")
def signal_sets(recordings):
    """The recordings, split into training, validation and test sets."""
    from kerasrecipes import scan_signals, split_signals

    return split_signals(scan_signals(recordings), test_fraction=0.25, val_fraction=0.25)


@pytest.fixture(scope="session")
def signal_fitted(signal_sets):
    """A fitted `SequenceClassifier` that was measured on its test; not to be changed."""
    from kerasrecipes import SequenceClassifier, UnfreezeSchedule

    train, val, test = signal_sets
    schedule = UnfreezeSchedule.full(12, 0.03)
    recipe = SequenceClassifier(tiny_net(), schedule=schedule, batch_size=8)
    recipe.fit(train, val, verbose=False)
    recipe.evaluate(test)
    return recipe


@pytest.fixture(scope="session")
def signal_bundle(signal_fitted, tmp_path_factory):
    """Its bundle, with the usual `.tflite` file; not to be changed."""
    bundle = signal_fitted.save(tmp_path_factory.mktemp("models") / "moves")
    bundle.export()
    return bundle


@pytest.fixture(scope="session")
def small_backbone():
    """A backbone with a residual block and a depthwise convolution, with random weights."""
    import keras
    from keras import layers

    from kerasrecipes import BackboneSpec

    keras.utils.set_random_seed(0)
    photo = keras.Input((SMALL_SIDE, SMALL_SIDE, 3))
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False, name="one")(photo)
    x = stem = layers.ReLU(name="one_relu")(layers.BatchNormalization(name="one_norm")(x))
    x = layers.Conv2D(32, 1, use_bias=False, name="expand")(x)
    x = layers.ReLU(6.0, name="expand_relu")(layers.BatchNormalization(name="expand_norm")(x))
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(x)
    x = layers.ReLU(6.0, name="depthwise_relu")(layers.BatchNormalization(name="dw_norm")(x))
    x = layers.Conv2D(16, 1, name="project")(x)
    x = layers.Add(name="add")([stem, x])
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu", name="last")(x)
    return BackboneSpec.from_model(keras.Model(photo, x, name="small"), scaling="0..1")


@pytest.fixture(scope="session")
def small_fitted(small_backbone, part_sets):
    """A fitted recipe that is quickly exported and trained on; not to be changed."""
    from kerasrecipes import ImageClassifier, UnfreezeSchedule

    train, val, _ = part_sets
    schedule = UnfreezeSchedule.full(epochs=12, learning_rate=0.01)
    recipe = ImageClassifier(
        small_backbone, image_size=(SMALL_SIDE, SMALL_SIDE), schedule=schedule, views=2,
        batch_size=8, batch_norm="train",
    )  # fmt: skip
    recipe.fit(train, val, verbose=False)
    return recipe


@pytest.fixture(scope="session")
def quick_recipe():
    """Makes recipes that fit in seconds: small photos, few epochs."""
    from kerasrecipes import ImageClassifier, UnfreezeSchedule

    def make(**changes):
        settings = {
            "image_size": (SIDE, SIDE),
            "schedule": UnfreezeSchedule.two_phase(epochs=2, head_epochs=2, open_fraction=0.2),
            "views": 1 if changes.get("augment") == "none" else 2,
            "batch_size": 8,
        }
        return ImageClassifier(**{**settings, **changes})

    return make


@pytest.fixture(scope="session")
def small_recipe(quick_recipe, small_backbone):
    """Makes recipes like `quick_recipe`, that fit faster still, without pretrained weights."""
    return partial(quick_recipe, backbone=small_backbone, image_size=(SMALL_SIDE, SMALL_SIDE))


@pytest.fixture(scope="session")
def fitted_on(small_recipe):
    """Fits a small recipe on photos of whatever channels, in one epoch of all, and measures it."""
    from kerasrecipes import UnfreezeSchedule, split_photos

    def fit(photos):
        train, val, test = split_photos(photos, test_fraction=0.25, val_fraction=0.25)
        schedule = UnfreezeSchedule.full(1, 0.01)
        recipe = small_recipe(augment="randaugment", schedule=schedule)
        recipe.fit(train, val, verbose=False)
        recipe.evaluate(test)
        return recipe

    return fit


@pytest.fixture(scope="session")
def fitted(part_sets, quick_recipe):
    """A fitted and evaluated recipe with real weights; not to be changed."""
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
def small_measured(small_fitted, part_sets):
    """The small fitted recipe, measured on its test; not to be changed."""
    from kerasrecipes.training.refitting import refitted

    train, val, test = part_sets
    recipe = refitted(small_fitted, small_fitted.model_, train, val)
    recipe.evaluate(test)
    return recipe


@pytest.fixture(scope="session")
def small_saved(small_measured, tmp_path_factory):
    """A bundle of the small fitted recipe with a float32 export; not to be changed."""
    bundle = small_measured.save(tmp_path_factory.mktemp("models") / "parts")
    bundle.export("tflite")
    return bundle


@pytest.fixture(scope="session")
def tiny():
    """The module that makes tiny photos, models and bundles."""
    return tiny_bundle


@pytest.fixture(scope="session")
def trained():
    return tiny_bundle.trained_model()


@pytest.fixture(scope="session")
def exported_once(tmp_path_factory, trained):
    """A bundle with a float32 and an int8 export; not to be changed."""
    bundle = tiny_bundle.write_bundle(tmp_path_factory.mktemp("saved_models") / "colours", trained)
    bundle.export("tflite", "float32")
    bundle.export("tflite", "int8")
    return bundle


@pytest.fixture
def exported(exported_once, tmp_path):
    """A copy of the bundle with exports, free to be damaged."""
    from kerasrecipes.release.bundle import Bundle

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
    from kerasrecipes.files import digest
    from kerasrecipes.photos.photo_set import Photo, PhotoFacts, PhotoSet

    pixels, labels = tiny.colour_photos(12, seed=21)
    photos = []
    for i, (photo, label) in enumerate(zip(pixels, labels, strict=True)):
        path = tmp_path / f"{i}.png"
        path.write_bytes(tiny.png(photo))
        facts = PhotoFacts(digest(path), 1, 32, 32, "RGB", "PNG", 8, 1, b"")
        photos.append(Photo(path, tiny.CLASS_NAMES[label], facts))
    return PhotoSet(tuple(photos), tuple(tiny.CLASS_NAMES), tmp_path)
