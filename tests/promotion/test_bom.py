"""What a version is made of, as other programs read it."""

import json
import uuid
from datetime import datetime

import pytest

import kerasrecipes as kr
from kerasrecipes.cli import main
from kerasrecipes.data.specs import ModelInput, OutputSpec
from kerasrecipes.files import digest
from kerasrecipes.promotion import write_bom

OUTPUT = OutputSpec(name="scores", task="classification", class_names=("crack", "good", "<i>ü"))


@pytest.fixture
def made(tmp_path):
    """A version that came from another one, without any model."""
    from kerasrecipes.bundles.bundle import BundleFolder
    from kerasrecipes.bundles.manifest import Parent

    def fill(folder):
        (folder / "data.jsonl").write_text("")
        return {
            "name": "tiles", "created": "2026-01-01T00:00:00", "recipe_type": "ImageClassifier",
            "recipe": {}, "modality": "photos", "outputs": [OUTPUT], "excluded": 0, "seeds": {},
            "input": ModelInput(name="photo", shape=(8, 8, 3), dtype="uint8"),
            "counts": {"train": {"crack": 3, "good": 1200}}, "golden_split": "test",
            "metrics": {"test": {"accuracy": [0.9, 0.8, 0.95], "f1": [None, None, None], "n": 9}},
            "versions": {"python": "3.11.7", "numpy": "2.4.6"},
            "weights": {"name": "lite0", "source": "a hub", "licence": "Apache-2.0"},
            "parents": [Parent(model="tiles 3", sha256="ab" * 32, how="its weights")],
        }  # fmt: skip

    return BundleFolder.write(tmp_path / "tiles", fill)


def test_it_tells_digests_quality_weights_data_and_libraries(made, tmp_path):
    found = json.loads(write_bom(made.folder, tmp_path / "bom.json").read_text("utf-8"))
    model = found["metadata"]["component"]
    assert (found["bomFormat"], found["specVersion"], found["version"]) == ("CycloneDX", "1.6", 1)
    assert uuid.UUID(found["serialNumber"].removeprefix("urn:uuid:"))
    assert datetime.fromisoformat(found["metadata"]["timestamp"]).tzinfo is not None
    assert (model["name"], model["version"]) == ("tiles", "1")
    assert model["hashes"] == [{"alg": "SHA-256", "content": digest(made.folder / "bundle.json")}]
    (inner,) = model["components"]
    assert inner["hashes"][0]["content"] == digest(made.folder / "data.jsonl")
    card = model["modelCard"]
    assert card["modelParameters"]["outputs"] == [
        {"format": "scores: classification (crack, good, <i>ü)"}
    ]
    (metric,) = card["quantitativeAnalysis"]["performanceMetrics"]
    assert metric["confidenceInterval"] == {"lowerBound": "0.8", "upperBound": "0.95"}
    parts = {part["bom-ref"]: part for part in found["components"]}
    assert parts["pretrained weights"]["licenses"] == [{"license": {"name": "Apache-2.0"}}]
    assert parts["parent 0"]["name"] == "tiles 3"
    assert parts["data train"]["data"][0]["description"].startswith("1,203 photos. crack: 3;")
    assert parts["library numpy"]["purl"] == "pkg:pypi/numpy@2.4.6"
    assert "purl" not in parts["library python"]
    assert set(found["dependencies"][0]["dependsOn"]) == set(parts)


def test_exports_are_told_and_it_is_the_same_each_time(exported_once, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["bom", str(exported_once.folder.parent), "--to", str(tmp_path / "a.json")])
    assert not end.value.code and "a.json" in capsys.readouterr().out
    write_bom(exported_once, tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    parts = {
        one["bom-ref"]: one for one in json.loads((tmp_path / "a.json").read_text())["components"]
    }
    for name, record in exported_once.exports().items():
        assert parts[f"export {name}"]["hashes"][0]["content"] == digest(record.path)


def test_a_changed_file_is_noticed(made, tmp_path):
    (made.folder / "data.jsonl").write_text("{}")
    with pytest.raises(kr.IntegrityError):
        write_bom(made.folder, tmp_path / "bom.json")
    assert not (tmp_path / "bom.json").exists()
