"""A new kind of data is a folder: nothing else of the package is touched."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.data.modality import get_modality
from kerasrecipes.data.splits import split_examples
from kerasrecipes.settings.photo_rows import IMAGE_CLASSIFIER
from kerasrecipes.training.recipe import Recipe

FOLDER = Path(__file__).parents[1] / "fixtures" / "modality"
OF_PHOTOS_ALONE = ("image_size", "synthetic_defects")
ROWS = tuple(row for row in IMAGE_CLASSIFIER if row.name not in OF_PHOTOS_ALONE)


@dataclass(repr=False, eq=False)
class RecordingClassifier(Recipe):
    """Tell recordings apart.

    Args:
        backbone: A specification.
        augment: None there.
        views: One.
    """

    name: ClassVar[str] = "RecordingClassifier"
    table: ClassVar[tuple] = ROWS
    backbone: object = None
    augment: str = "none"
    views: int = 1


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """The new kind of data, as if its folder lay in the package; and a folder of recordings."""
    patch = pytest.MonkeyPatch()
    patch.setattr(kr, "__path__", [*kr.__path__, str(FOLDER)])
    kr.register_recipe(RecordingClassifier)
    root, rng = tmp_path_factory.mktemp("recordings"), np.random.default_rng(3)
    for label, slope in (("falling", -1), ("rising", 1)):
        (root / label).mkdir()
        for i in range(16):
            course = 120 + slope * np.linspace(-80, 80, 48 * 48) + rng.normal(0, 20, 48 * 48)
            (root / label / f"{i:02}.rec").write_bytes(course.tobytes())
    yield root
    patch.undo()
    for name in [name for name in sys.modules if name.startswith("kerasrecipes.recordings")]:
        del sys.modules[name]


def test_a_folder_is_enough(recordings, tiny_spec, tmp_path):
    from kerasrecipes.recordings.recording_set import scan_recordings

    options = {"split_by": "auto", "seed": 0, "near": True}
    found = scan_recordings(recordings, gain=1.0)
    train, val, test = split_examples(found, test_fraction=0.25, val_fraction=0.25, **options)
    schedule = kr.UnfreezeSchedule.two_phase(epochs=3, head_epochs=3)
    recipe = RecordingClassifier(backbone=tiny_spec(), schedule=schedule, batch_size=8)
    recipe.fit(train, val, verbose=False)
    result = recipe.evaluate(test)
    assert result.accuracy.value > 0.8
    bundle = recipe.save(tmp_path / "courses")
    assert bundle.manifest.modality == "recordings"
    assert bundle.input.preparation == {"gain": 1.0}
    loaded = kr.load_recipe(bundle)
    assert type(loaded) is RecordingClassifier
    assert loaded.predict(test) == pytest.approx(recipe.predict(test), abs=1e-5)
    again = kr.evaluate_bundle(bundle, recordings)
    assert again.left_out == len(train) + len(val)
    record = kr.export_model(bundle, "tflite")
    assert record.verification["passed"] and record.verification["photos"] == len(test)
    (verified,) = kr.verify_bundle(bundle)
    assert verified.passed
    (said,) = kr.Predictor(bundle).predict(recordings / "rising" / "00.rec")
    assert said.label == "rising"


def test_what_this_version_does_not_know_is_told(recordings):
    with pytest.raises(kr.DataError, match="'smells', a kind of data that this version"):
        get_modality("smells")
