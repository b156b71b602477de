"""The model folder: written whole or not at all, never overwritten, checked when it is opened."""

import errno
import hashlib
import json
import os
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from pydantic import field_validator

from kerasrecipes import Bundle, DataError, IntegrityError
from kerasrecipes.bundles import manifest
from kerasrecipes.bundles.versions import check_model_folder
from kerasrecipes.data.specs import ModelInput, OutputSpec
from kerasrecipes.photos.decoding.policy import DecodePolicy
from kerasrecipes.regular import open_regular

FIELDS = {
    "name": "tiles", "created": "2026-01-01T00:00:00", "recipe_type": "test", "recipe": {},
    "modality": "photos", "counts": {}, "excluded": 0,
    "input": ModelInput(
        name="photo", shape=(8, 8, 3), dtype="uint8", preparation=DecodePolicy().to_dict()
    ),
    "outputs": [OutputSpec(name="scores", task="classification", class_names=("bad", "good"))],
    "golden_split": "test", "metrics": {}, "seeds": {}, "versions": {}, "weights": {},
}  # fmt: skip


def fill(folder: Path) -> dict:
    (folder / "model.keras").write_bytes(b"weights")
    (folder / "plots").mkdir()
    (folder / "plots" / "curve.png").write_bytes(b"picture")
    return FIELDS


@pytest.fixture
def small(tmp_path) -> Bundle:
    """A bundle of two files, to be damaged."""
    return Bundle.write(tmp_path / "saved_models" / "tiles", fill)


@pytest.fixture
def copied(small_saved, tmp_path) -> Bundle:
    """A copy, elsewhere, of a bundle with a real model, to be damaged."""
    folder = shutil.copytree(small_saved.folder, tmp_path / "elsewhere" / "7")
    return Bundle.load(folder)


def test_versions_count_up_and_nothing_is_overwritten(tmp_path):
    name = tmp_path / "deep" / "tiles"
    written = [Bundle.write(name, fill).folder for _ in range(3)]
    assert [folder.name for folder in written] == ["1", "2", "3"]
    before = (written[0] / "bundle.json").stat().st_mtime_ns
    shutil.rmtree(written[1])
    assert Bundle.write(name, fill).folder.name == "4"
    assert (written[0] / "bundle.json").stat().st_mtime_ns == before
    assert sorted(path.name for path in name.iterdir()) == ["1", "3", "4"]


def test_the_latest_version_is_loaded_by_number_not_by_name(tmp_path):
    for _ in range(11):
        Bundle.write(tmp_path / "tiles", fill)
    assert Bundle.load(tmp_path / "tiles").folder.name == "11"
    assert Bundle.load(str(tmp_path / "tiles" / "2")).folder.name == "2"


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_a_failure_in_the_middle_leaves_nothing(tmp_path, error):
    def broken(folder: Path) -> dict:
        fill(folder)
        raise error

    Bundle.write(tmp_path / "tiles", fill)
    with pytest.raises(type(error)):
        Bundle.write(tmp_path / "tiles", broken)
    assert os.listdir(tmp_path / "tiles") == ["1"]


def test_a_failing_rename_leaves_nothing(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="Permission denied. Make it writable, or name another"):
        Bundle.write(tmp_path / "tiles", fill)
    assert os.listdir(tmp_path / "tiles") == []


def test_nobody_sees_an_unfinished_version(tmp_path):
    def look(folder: Path) -> dict:
        assert folder.parent == tmp_path / "tiles" and folder.name.startswith(".")
        with pytest.raises(DataError, match="There is no saved model"):
            Bundle.load(tmp_path / "tiles")
        return fill(folder)

    Bundle.write(tmp_path / "tiles", look)
    assert Bundle.load(tmp_path / "tiles").folder.name == "1"


def test_concurrent_writers_get_versions_of_their_own(tmp_path):
    barrier = threading.Barrier(6)
    versions = []

    def write():
        def together(folder: Path) -> dict:
            barrier.wait()
            return fill(folder)

        versions.append(Bundle.write(tmp_path / "tiles", together).folder.name)

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (
        sorted(versions) == ["1", "2", "3", "4", "5", "6"] == sorted(os.listdir(tmp_path / "tiles"))
    )


@pytest.mark.parametrize("where", ["photos", "bundle.json", "sync"])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch, where):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    def filled_up(folder: Path) -> dict:
        fill(folder)
        return FIELDS if where != "photos" else full()

    if where == "bundle.json":
        monkeypatch.setattr("kerasrecipes.bundles.bundle._seal", full)
    if where == "sync":
        monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="Nothing was saved in .*tiles': No space left on device. "
                       "Free some space, then save again") as caught:  # fmt: skip
        Bundle.write(tmp_path / "tiles", filled_up)
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path / "tiles") == []


def test_places_that_are_no_model_folder_are_refused(small, tmp_path):
    with pytest.raises(DataError, match="1' is one version of a model. Name the folder above it"):
        Bundle.write(small.folder, fill)
    with pytest.raises(DataError, match="holds folders that are no versions of a model: 'tiles'"):
        Bundle.write(small.folder.parent.parent, fill)
    (tmp_path / "digits" / "0").mkdir(parents=True)
    with pytest.raises(DataError, match="no versions of a model: '0'. Name a folder for this"):
        check_model_folder(tmp_path / "digits")
    (tmp_path / "file").write_text("")
    for place in ("file", "file/deeper"):
        with pytest.raises(OSError, match="There is a file of that name .*Name another folder"):
            check_model_folder(tmp_path / place)
    check_model_folder(tmp_path / "new" / "tiles")
    assert not (tmp_path / "new").exists()
    assert Bundle.load(small.folder).folder == small.folder


def test_files_have_digests_and_so_has_the_list_of_them(small):
    stated = json.loads((small.folder / "bundle.json").read_text())
    assert stated["sha256"] == {
        name: hashlib.sha256((small.folder / name).read_bytes()).hexdigest()
        for name in ("model.keras", "plots/curve.png")
    }
    digest = hashlib.sha256((small.folder / "bundle.json").read_bytes()).hexdigest()
    assert (small.folder / "bundle.sha256").read_text() == f"{digest}  bundle.json\n"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def swap_labels(folder: Path) -> None:
    content = json.loads((folder / "bundle.json").read_text())
    content["outputs"][0]["class_names"].reverse()
    (folder / "bundle.json").write_text(json.dumps(content, indent=2))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda at: flip(at / "model.keras"), "changed: 'model.keras'"),
        (lambda at: flip(at / "plots/curve.png"), "changed: 'plots/curve.png'"),
        (lambda at: (at / "model.keras").write_bytes(b""), "changed: 'model.keras'"),
        (swap_labels, "changed: 'bundle.json'"),
        (lambda at: flip(at / "bundle.json"), "changed: 'bundle.json'"),
        (lambda at: (at / "bundle.json").write_bytes(b""), "changed: 'bundle.json'"),
        (lambda at: flip(at / "bundle.sha256"), "changed: .* or its digest"),
        (lambda at: (at / "bundle.sha256").write_bytes(b""), "changed: .* or its digest"),
        (lambda at: (at / "bundle.sha256").unlink(), "missing: 'bundle.sha256'"),
        (lambda at: (at / "model.keras").unlink(), "missing: 'model.keras'"),
        (lambda at: shutil.rmtree(at / "plots"), "missing: 'plots/curve.png'"),
        (lambda at: (at / "more.py").write_text("x"), "added: 'more.py'"),
        (lambda at: (at / "a\nb").write_text("x"), r"added: 'a\\nb'"),
        (lambda at: (at / "plots/link").symlink_to("/etc"), "added: 'plots/link'"),
        (lambda at: (at / "plots/link").symlink_to("gone"), "added: 'plots/link'"),
    ],
)  # fmt: skip
def test_what_is_not_as_it_was_written_is_named(small, damage, message):
    damage(small.folder)
    with pytest.raises(IntegrityError, match=f"is not as it was written. {message}") as caught:
        Bundle.load(small.folder)
    added = message.startswith("added")
    remedy = "Remove what was added." if added else "Restore it from a copy, or train again."
    assert str(caught.value).endswith(f". {remedy}")
    with pytest.raises(IntegrityError):
        small.check()


def test_what_may_not_be_read_is_not_called_damaged(small, monkeypatch):
    def denied(name, inside):
        if name == "model.keras":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)
        return open_regular(name, inside)

    def closed(path, **_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr("kerasrecipes.bundles.sealed.open_regular", denied)
    wanted = "1' cannot be read. Permission denied: 'model.keras'. Let this user read it.$"
    with pytest.raises(IntegrityError, match=wanted):
        Bundle.load(small.folder)
    monkeypatch.setattr(os, "lstat", closed)
    with pytest.raises(PermissionError):
        Bundle.load(small.folder.parent)


def test_a_copy_that_has_no_room_is_told(small, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=f"could not be made in '{tmp_path}': .*TMPDIR name another"):
        small.load_model()


def test_a_device_in_place_of_a_file_is_not_read(small):
    (small.folder / "model.keras").unlink()
    (small.folder / "model.keras").symlink_to("/dev/zero")
    with pytest.raises(IntegrityError, match="or device in place of a file: 'model.keras'"):
        Bundle.load(small.folder)


def test_a_folder_that_was_looked_at_still_opens(small):
    icons = {
        ".DS_Store": b"\0\0\0\1Bud1\0", "plots/Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "plots/desktop.ini": b"\xff\xfe\r\0\n\0[\0.\0",
    }  # fmt: skip
    for name, begins in icons.items():
        (small.folder / name).write_bytes(begins + b"icons")
    Bundle.load(small.folder)
    for name in icons:
        (small.folder / name).write_bytes(b"import os")
        with pytest.raises(IntegrityError, match=f"added: '{name}'"):
            Bundle.load(small.folder)
        (small.folder / name).unlink()
    (small.folder / ".DS_Store").write_bytes(icons[".DS_Store"] + bytes(1 << 16))
    with pytest.raises(IntegrityError, match="added: '.DS_Store'"):
        Bundle.load(small.folder)


def test_what_a_mac_added_is_removed_as_the_message_says(small, tmp_path):
    folder = tmp_path / "it's mine"
    shutil.move(small.folder, folder)
    notes = [folder / "._model.keras", folder / "plots" / "._.DS_Store", folder / ".DS_Store"]
    for path in notes:
        path.write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    with pytest.raises(IntegrityError, match="added: '.DS_Store', '._model.keras'") as caught:
        Bundle.load(folder)
    told, _, command = str(caught.value).rpartition(": ")
    assert "Remove what was added. '.DS_Store', '._*' come from a file manager" in told
    (folder / "more.py").touch()
    subprocess.run(command, shell=True, check=True)
    assert not any(path.exists() for path in notes)
    with pytest.raises(IntegrityError, match=r"added: 'more.py'. Remove what was added\.$"):
        Bundle.load(folder)


def test_a_bundle_can_be_moved_renamed_and_linked(small, tmp_path):
    moved = tmp_path / "named anew"
    shutil.move(small.folder, moved)
    assert Bundle.load(moved).class_names == ("bad", "good")
    (tmp_path / "link").symlink_to(moved)
    assert Bundle.load(tmp_path / "link").class_names == ("bad", "good")


def resealed(folder: Path, **changes) -> None:
    rewritten(folder, {**json.loads((folder / "bundle.json").read_text()), **changes})


def rewritten(folder: Path, content: dict) -> None:
    (folder / "bundle.json").write_text(json.dumps(content))
    digest = hashlib.sha256((folder / "bundle.json").read_bytes()).hexdigest()
    (folder / "bundle.sha256").write_text(f"{digest}  bundle.json\n")


def test_a_newer_format_asks_for_a_newer_package(small):
    resealed(small.folder, format_version=4, something_new=[1])
    with pytest.raises(DataError, match="has bundle format 4, and this version .* reads up to 3"):
        Bundle.load(small.folder)
    (small.folder / "bundle.sha256").unlink()
    with pytest.raises(DataError, match="Upgrade kerasrecipes"):
        Bundle.load(small.folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is damaged: it is not valid JSON"),
        (b"[]", "is damaged: Input should be a valid dict"),
        (b"\xff", "is damaged: it is not UTF-8"),
        (b"[" * 100_000, "is damaged: it is nested deeper"),
        (b'{"format_version": "x"}', "is damaged: `format_version`"),
    ],
)
def test_an_unreadable_bundle_json_is_told(small, content, message):
    (small.folder / "bundle.json").write_bytes(content)
    (small.folder / "bundle.sha256").unlink()
    with pytest.raises(IntegrityError, match=rf"bundle.json' {message}"):
        Bundle.load(small.folder)


def test_a_field_that_a_validator_refuses_is_told_in_its_words(small, monkeypatch):
    class Strict(manifest.Manifest):
        @field_validator("name")
        @classmethod
        def check(cls, name):
            raise ValueError("no name for a model.")

    monkeypatch.setattr(manifest, "Manifest", Strict)
    with pytest.raises(IntegrityError, match="is damaged: `name`: no name for a model. R"):
        Bundle.load(small.folder)


def test_wrong_names_are_corrected(small, tmp_path):
    with pytest.raises(DataError, match=r"no saved model in '.*tile'. Did you mean 'tiles'\?"):
        Bundle.load(tmp_path / "saved_models" / "tile")
    with pytest.raises(DataError, match="A model folder holds versions named 1, 2"):
        Bundle.load(tmp_path / "no" / "such" / "folder")
    with pytest.raises(DataError, match="There is no saved model"):
        Bundle.load(small.folder / "model.keras")


def test_a_version_without_its_bundle_json_is_damaged(small):
    Bundle.write(small.folder.parent, fill)
    (small.folder.parent / "2" / "bundle.json").unlink()
    with pytest.raises(IntegrityError, match="2' has no bundle.json. Restore it from a copy, or"):
        Bundle.load(small.folder.parent)
    assert Bundle.load(small.folder).folder.name == "1"


def test_bundle_json_says_where_the_model_comes_from(small_saved, part_sets, small_measured):
    manifest = Bundle.load(small_saved.folder).manifest
    train, val, test = part_sets
    assert small_saved.class_names == ("dot", "plain", "stripe")
    assert manifest.name == "parts" and manifest.recipe_type == "ImageClassifier"
    assert manifest.modality == "photos" and manifest.input.shape == (24, 24, 3)
    assert manifest.input.name == "photo" and manifest.input.dtype == "uint8"
    (output,) = manifest.outputs
    assert (output.name, output.task) == ("scores", "classification")
    assert manifest.recipe == json.loads(json.dumps(small_measured.get_config()))
    assert manifest.counts == {"train": train.counts(), "val": val.counts(), "test": test.counts()}
    assert small_saved.report().data.digests["train"] == train.digest()
    assert manifest.golden_split == "test" and set(manifest.metrics) == {"val", "test"}
    assert manifest.seeds == {"seed": 0}
    assert {"kerasrecipes", "keras", "tensorflow", "numpy"} <= set(manifest.versions)
    assert manifest.weights == json.loads(json.dumps(small_measured.report_.weights))
    assert DecodePolicy.from_dict(manifest.input.preparation) == train.policy
    assert {"model.keras", "data.jsonl", "report.html", "golden/golden.npz"} <= set(manifest.sha256)


def test_golden_scores_are_what_the_saved_model_answers(copied):
    golden = copied.golden()
    model = copied.load_model()
    assert len(golden.files) == len(golden.names) == len(golden.targets) == 12
    pixels = [copied.decode(photo) for photo in golden.files]
    scores = model.predict(np.stack(pixels).astype("float32"), verbose=0)
    np.testing.assert_allclose(scores, golden.answers, atol=1e-5)
    assert golden.answers.dtype == np.float32


def test_golden_photos_are_the_test_photos(small_saved, part_sets):
    golden = small_saved.golden()
    test = part_sets[2]
    digests = {photo.facts.sha256: photo.label for photo in test.photos}
    for photo, label in zip(golden.files, golden.targets, strict=True):
        assert digests[hashlib.sha256(photo).hexdigest()] == small_saved.class_names[label]


def test_calibration_photos_are_training_photos(small_saved, part_sets):
    from kerasrecipes.photos.decoding.decode import read_photo

    train = part_sets[0]
    allowed = {read_photo(p, (24, 24), train.policy).tobytes() for p in train.photos}
    calibration = small_saved.calibration()
    assert calibration.dtype == np.uint8 and calibration.shape == (len(train), 24, 24, 3)
    assert {photo.tobytes() for photo in calibration} == allowed


def test_seen_knows_every_photo(small_saved, part_sets):
    sides = zip(("train", "val", "test"), part_sets, strict=True)
    assert small_saved.seen() == {p.facts.sha256: name for name, s in sides for p in s.photos}


def test_report_reads_back(small_saved, small_measured):
    assert small_saved.report().to_json() == small_measured.report_.to_json()


def test_exports_may_be_missing_and_vouch_for_themselves(copied):
    from kerasrecipes.verify import verify_bundle

    flip(copied.exports()["tflite-float32"].path)
    assert Bundle.load(copied.folder).class_names  # to export again is the remedy
    with pytest.raises(IntegrityError, match=r"model.tflite' was changed since it was verified"):
        verify_bundle(copied.folder)
    shutil.rmtree(copied.folder / "exports")
    assert Bundle.load(copied.folder).exports() == {}
    with pytest.raises(DataError, match="has no exported file yet. Run: kerasrecipes export"):
        verify_bundle(copied.folder)


def test_a_photo_that_changed_after_its_evaluation_is_not_saved(
    small_measured, part_sets, tmp_path, monkeypatch
):
    import copy
    from dataclasses import replace

    test = part_sets[2]
    path = tmp_path / "photo.png"
    path.write_bytes(b"another photo")
    held_out = replace(
        small_measured.fitted_.golden,
        examples=replace(test, photos=(replace(test.photos[0], path=path), *test.photos[1:])),
    )
    changed = copy.copy(small_measured)
    changed.fitted_ = replace(small_measured.fitted_, held_out={"test": held_out})
    with pytest.raises(DataError, match="photo.png' has changed since it was scanned"):
        changed.save(tmp_path / "models")
    assert os.listdir(tmp_path / "models") == []


def test_a_bundle_of_the_format_before_is_read(copied):
    written = json.loads((copied.folder / "bundle.json").read_text())
    for name in ("modality", "input", "outputs"):
        del written[name]
    before = {
        **written, "format_version": 1, "image_size": [24, 24], "policy": copied.input.preparation,
        "class_names": list(copied.class_names), "data_digests": {}, "class_balance": {"dot": 1.0},
    }  # fmt: skip
    rewritten(copied.folder, before)
    found = Bundle.load(copied.folder)
    assert found.manifest.modality == "photos" and found.input == copied.input
    assert found.output == copied.output and found.manifest.format_version == 3
    del before["image_size"]
    rewritten(copied.folder, before)
    with pytest.raises(IntegrityError, match="bundle.json' is damaged: it lacks 'modality'"):
        Bundle.load(copied.folder)
