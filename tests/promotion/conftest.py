"""A model with three versions: two good ones, and one that has learned nothing."""

import json
import shutil

import pytest

VERSIONS = {"1": "good", "2": "good", "3": "worse"}


@pytest.fixture(scope="session")
def worse_once(tiny, tmp_path_factory):
    """A bundle of an untrained model, whose file is verified; not to be changed."""
    folder = tmp_path_factory.mktemp("worse") / "colours"
    bundle = tiny.write_bundle(folder, tiny.untrained_model())
    bundle.export("tflite", "float32")
    return bundle


@pytest.fixture
def model(exported_once, worse_once, tmp_path, quick):
    """The model's folder, free to be changed."""
    folders = {"good": exported_once.folder, "worse": worse_once.folder}
    for number, which in VERSIONS.items():
        shutil.copytree(folders[which], tmp_path / "saved_models" / "colours" / number)
    return tmp_path / "saved_models" / "colours"


@pytest.fixture(scope="session")
def stable_test(tiny, tmp_path_factory):
    """Ninety labelled photos that no version has seen."""
    root = tmp_path_factory.mktemp("stable")
    pixels, labels = tiny.colour_photos(90, seed=41)
    with (root / "test.jsonl").open("w") as table:
        for i, (photo, label) in enumerate(zip(pixels, labels, strict=True)):
            (root / f"{i}.png").write_bytes(tiny.png(photo))
            row = {"path": f"{i}.png", "label": tiny.CLASS_NAMES[label]}
            table.write(json.dumps(row) + "\n")
    return root / "test.jsonl"


@pytest.fixture
def gates_file(tmp_path, stable_test):
    """Writes a file of gates."""

    def write(text: str):
        path = tmp_path / "gates.toml"
        path.write_text(text.replace("PHOTOS", json.dumps(str(stable_test))))
        return path

    return write


@pytest.fixture
def quick(monkeypatch):
    """Takes the file's costs for known: they are measured in processes of their own."""
    from kerasrecipes.export.footprint import Footprint
    from kerasrecipes.verify import checking
    from kerasrecipes.verify.latency import Latency

    monkeypatch.setattr(checking, "measure_footprint", lambda *given: Footprint(1.0, 1 << 20))
    latency = {1: Latency(1.0, 1.0, 10), 2: Latency(1.0, 1.0, 10)}
    monkeypatch.setattr(checking, "benchmark_export", lambda *given: latency)
