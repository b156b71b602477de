"""Exporting a bundle: verified first, added whole or not at all."""

import json
from dataclasses import replace

import numpy as np
import pytest

from kerasrecipes.bundle import Bundle
from kerasrecipes.errors import DataError, IntegrityError, VerificationError
from kerasrecipes.export import (
    ExportRecord,
    check_digest,
    export_model,
    get_format,
    list_formats,
    read_exports,
)
from kerasrecipes.export.record import no_exports
from kerasrecipes.files import digest
from kerasrecipes.verify import Tolerance


def entries(bundle):
    folder = bundle.folder / "exports"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_record_tells_everything(exported_once):
    record = exported_once.exports()["tflite-int8"]
    assert record.path == exported_once.folder / "exports/tflite-int8/model.tflite"
    stored = json.loads((record.folder / "export.json").read_text())
    assert set(stored) == {
        "format", "quantization", "file", "sha256", "size_bytes", "verification",
    }  # fmt: skip
    assert stored["sha256"] == digest(record.path)
    assert stored["size_bytes"] == record.path.stat().st_size
    assert stored["verification"]["passed"] is True
    assert stored["verification"]["photos"] == 60
    assert entries(exported_once) == ["tflite-float32", "tflite-int8"]


def test_file_carries_labels_and_policy(exported_once):
    from kerasrecipes.export.tflite_metadata import read_metadata

    found = read_metadata(exported_once.exports()["tflite-int8"].path)
    assert list(found.class_names) == exported_once.manifest.class_names
    assert found.policy == exported_once.policy().to_dict()
    assert found.description == "colours, version 1"


def test_bundle_still_opens_after_an_export(exported):
    exported.check()


def test_failing_export_is_kept_out(bundle):
    with pytest.raises(VerificationError) as caught:
        export_model(bundle, quantization="int8", tolerance=Tolerance(max_score_gap=0.0))
    message = str(caught.value)
    assert "'tflite-int8' was not added to the bundle" in message
    assert "the largest score gap 0." in message and "is above 0" in message
    assert caught.value.exit_code == 3
    assert entries(bundle) == []


def test_failing_export_keeps_the_one_before(exported):
    before = exported.exports()["tflite-int8"].sha256
    with pytest.raises(VerificationError):
        export_model(
            exported, quantization="int8", tolerance=Tolerance(max_score_gap=0.0), overwrite=True
        )
    assert exported.exports()["tflite-int8"].sha256 == before
    assert entries(exported) == ["tflite-float32", "tflite-int8"]
    check_digest(exported.exports()["tflite-int8"])


def test_existing_export_needs_overwrite(exported):
    with pytest.raises(ValueError, match=r"exists already. Pass overwrite=True \(--overwrite\)"):
        export_model(exported, quantization="float32")
    record = export_model(exported, quantization="float32", overwrite=True)
    assert exported.exports()["tflite-float32"] == record


def test_given_photos_are_used(bundle, photo_set):
    record = export_model(bundle, photos=photo_set)
    assert record.verification["photos"] == 12
    assert record.verification["agreement"] == 1.0


def test_unknown_names_are_corrected_before_any_work(bundle, monkeypatch):
    monkeypatch.setattr(type(bundle), "load_model", lambda self: pytest.fail("model was loaded"))
    with pytest.raises(ValueError, match=r"Unknown format 'tflit'. Did you mean 'tflite'\?"):
        export_model(bundle, "tflit")
    with pytest.raises(ValueError, match=r"Unknown quantization 'int9'. Did you mean 'int8'\?"):
        export_model(bundle, quantization="int9")


def test_catalogue():
    assert list_formats() == ["tflite"]
    with pytest.raises(ValueError, match="Unknown format 'onnxx'"):
        get_format("onnxx")


def test_unfinished_exports_are_ignored(exported):
    (exported.folder / "exports" / ".killed" / "tflite-int8").mkdir(parents=True)
    assert sorted(read_exports(exported.folder)) == ["tflite-float32", "tflite-int8"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"format": 3}', '{"format": "tflite"}'],
)
def test_damaged_records_are_named(exported, text):
    path = exported.folder / "exports" / "tflite-int8" / "export.json"
    path.write_text(text)
    with pytest.raises(IntegrityError, match=r"export.json' is (missing|damaged)"):
        read_exports(exported)
    path.unlink()
    with pytest.raises(IntegrityError, match=r"export.json' is (missing|damaged)"):
        read_exports(exported)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"file": "../../../elsewhere.tflite"}, "it describes another export"),
        ({"quantization": "float32"}, "it describes another export"),
        ({"sha256": 5}, "`sha256` has the wrong type"),
    ],
)
def test_changed_records_are_refused(exported, change, message):
    path = exported.folder / "exports" / "tflite-int8" / "export.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(IntegrityError, match=message):
        ExportRecord.read(path.parent)


def test_changed_file_is_noticed(exported):
    record = exported.exports()["tflite-int8"]
    content = bytearray(record.path.read_bytes())
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(content), 50):
        changed = content.copy()
        changed[place] ^= 1 << int(rng.integers(8))
        record.path.write_bytes(changed)
        with pytest.raises(IntegrityError, match=r"model.tflite' was changed since it was verif"):
            check_digest(record)
    record.path.write_bytes(content[:-1])
    with pytest.raises(IntegrityError, match="was changed"):
        check_digest(record)
    record.path.unlink()
    with pytest.raises(IntegrityError, match="is missing or unreadable"):
        check_digest(record)


def test_a_file_that_was_added_is_noticed(exported):
    record = exported.exports()["tflite-int8"]
    (record.folder / "extra.so").write_bytes(b"")
    with pytest.raises(IntegrityError, match=r"holds files that were not exported: 'extra.so'"):
        check_digest(record)


def test_message_for_bundles_without_exports():
    assert "kerasrecipes export saved_models/x --format tflite --quantization int8" in no_exports(
        "saved_models/x"
    )


def test_int8_without_calibration_photos(bundle, monkeypatch):
    monkeypatch.setattr(type(bundle), "calibration", lambda self: np.empty((0, 32, 32, 3), "uint8"))
    with pytest.raises(DataError, match="Pass `calibration`"):
        export_model(bundle, quantization="int8")
    assert entries(bundle) == []


def test_golden_photos_must_pass_beside_others(bundle, photo_set):
    """`verify` judges by them later, so a file that fails on them is of no use."""

    class Turned(Bundle):
        def golden(self):
            found = super().golden()
            return replace(found, scores=found.scores[:, ::-1])

    with pytest.raises(VerificationError, match="top-1 agreement .* on 60 photos"):
        export_model(Turned(bundle.folder, bundle.manifest), photos=photo_set)
