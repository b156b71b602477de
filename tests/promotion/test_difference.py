"""What differs between two versions."""

import json

import pytest

import kerasrecipes as kr


@pytest.fixture
def versions(tiny, tmp_path):
    """Two small bundles without files of models."""

    def write(photos, recipe, metrics, names):
        def fill(folder):
            (folder / "model.keras").write_bytes(json.dumps(recipe).encode())
            lines = [json.dumps({"sha256": key, "split": side}) for key, side in photos.items()]
            (folder / "data.jsonl").write_text("\n".join(lines))
            return {
                "name": "tiles", "created": "2026-01-01T00:00:00", "recipe_type": "test",
                "recipe": recipe, "counts": {}, "excluded": 0, "golden_split": "test",
                "metrics": metrics, "seeds": {}, "versions": {}, "weights": {},
                **tiny.takes_and_gives((8, 8), names),
            }  # fmt: skip

        return kr.Bundle.write(tmp_path / "tiles", fill)

    first = write(
        {"a": "train", "b": "train", "c": "test"},
        {"dropout": 0.2, "schedule": {"epochs": 3}},
        {"test": {"accuracy": 0.91234567}},
        ["bad", "good"],
    )
    second = write(
        {"a": "train", "d": "train", "e": "train", "c": "test"},
        {"dropout": 0.2, "schedule": {"epochs": 5}, "views": 2},
        {"test": {"accuracy": 0.95}},
        ["bad", "good", "odd " * 30],
    )
    return first, second


def test_data_settings_numbers_and_files_are_told(versions):
    found = kr.diff_versions(*versions)
    told = {(one.about, one.name): (one.before, one.after) for one in found.changes}
    assert told.pop(("data", "train photos")) == ("2", "3 (2 new, 1 gone)")
    assert told.pop(("settings", "schedule.epochs")) == ("3", "5")
    assert told.pop(("settings", "views")) == ("", "2")
    assert told.pop(("measured", "test.accuracy")) == ("0.912346", "0.95")
    assert "odd" in told.pop(("what it is", "output scores.class_names"))[1]
    assert told.pop(("files", "model.keras"))[0].startswith("43 bytes, ")
    assert {name for _, name in told} == {"data.jsonl"}
    shown = str(found)
    assert "Settings" in shown and "Measured" in shown and "odd…" in shown
    assert len(max(shown.splitlines(), key=len)) < 200
    assert json.loads(json.dumps(found.to_dict()))["changes"][0]["about"] == "data"


def test_exports_are_told(model):
    found = kr.diff_versions(model / "1", model / "3")
    changed = {one.name: one for one in found.changes}
    assert {"model.keras", "exports/tflite-int8"} <= set(changed)
    assert changed["exports/tflite-int8"].after == ""


def test_the_same_bundle_says_the_same(model):
    found = kr.diff_versions(model / "1", model / "2")
    assert found.changes == () and "say the same" in str(found)
