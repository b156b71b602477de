"""A model of two versions without any file that answers, and its log."""

import pytest

from kerasrecipes.data.specs import ModelInput, OutputSpec

NAMES = ("dot", "plain", "stripe")
OUTPUT = OutputSpec(name="scores", task="classification", class_names=NAMES)
NUMBER = OutputSpec(name="number", task="regression", unit="mm")


@pytest.fixture
def model(tmp_path):
    """Its folder: version 1 is the champion, version 2 the candidate."""
    return make_model(tmp_path / "parts")


@pytest.fixture
def numbers(tmp_path):
    """The same of a model that answers with a number."""
    return make_model(tmp_path / "lengths", NUMBER)


def make_model(folder, output=OUTPUT):
    from kerasrecipes.bundles.bundle import BundleFolder
    from kerasrecipes.promotion.log import changing

    def fill(target):
        takes = ModelInput(name="photo", shape=(8, 8, 3), dtype="uint8")
        return {
            "name": "parts", "created": "2026-01-01T00:00:00", "recipe_type": "test", "recipe": {},
            "modality": "photos", "input": takes, "outputs": [output], "counts": {}, "excluded": 0,
            "golden_split": "test", "metrics": {}, "seeds": {}, "versions": {}, "weights": {},
        }  # fmt: skip

    for version, alias in ((1, "champion"), (2, "candidate")):
        bundle = BundleFolder.write(folder / str(version), fill)
        with changing(folder) as log:
            log.add(
                who="ana", action="promote", alias=alias, version=version, why="", before=None,
                bundle_sha256=bundle.sha256, export="tflite-int8", export_sha256=f"{version}" * 64,
            )  # fmt: skip
    return folder
