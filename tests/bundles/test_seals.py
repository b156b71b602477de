"""What a seal covers: every byte that predict, verify, export and serve will read."""

import json
import os
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest

from kerasrecipes import Bundle, DataError, IntegrityError, Predictor
from kerasrecipes.bundles.export_record import opened
from kerasrecipes.bundles.export_seal import ABSENT, read_seal, sealing, write_seal
from kerasrecipes.files import digest
from kerasrecipes.release.exporting import _folder_in_the_making
from kerasrecipes.verify import verify_bundle
from tiny_bundle import reseal


@pytest.fixture(scope="module")
def three_once(exported_once, tmp_path_factory) -> Bundle:
    """A bundle with three exports, one of them a folder; not to be changed."""
    folder = tmp_path_factory.mktemp("three") / "colours" / "1"
    shutil.copytree(exported_once.folder, folder)
    bundle = Bundle.load(folder)
    bundle.export("saved_model")
    return bundle


@pytest.fixture
def three(three_once, tmp_path) -> Bundle:
    return Bundle.load(shutil.copytree(three_once.folder, tmp_path / "colours" / "1"))


def files_of(bundle: Bundle) -> list[Path]:
    return sorted(path for path in bundle.folder.rglob("*") if path.is_file())


def some_files(bundle: Bundle) -> list[Path]:
    """All files but most golden photos."""
    found = [path for path in files_of(bundle) if path.suffix != ".png" or path.stem < "002"]
    return [path for path in found if path.stat().st_size]


def refused(bundle: Bundle, match: str | None = None) -> None:
    """Make sure that nothing is verified, and that nothing is predicted but by what is whole."""
    with pytest.raises(IntegrityError, match=match):
        verify_bundle(bundle.folder)


def test_a_few_changed_bytes_in_any_file_are_noticed(three):
    rng = np.random.default_rng(0)
    # The golden photos are many: half of the changes are made elsewhere.
    files = [path for path in files_of(three) if path.stat().st_size]
    others = some_files(three)
    assert len(files) > 70 and len(others) > 15
    for number in range(120):
        path = rng.choice(np.array(others if number % 2 else files))
        content = path.read_bytes()
        changed = bytearray(content)
        for place in rng.integers(len(content), size=rng.integers(1, 4)):
            changed[place] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        if changed != content:
            refused(three)
        path.write_bytes(content)
    assert Bundle.load(three.folder).exports().keys() == three.exports().keys()


def test_files_that_are_cut_short_lengthened_removed_or_swapped_are_noticed(three):
    files = some_files(three)
    for path, other in zip(files, files[1:] + files[:1], strict=True):
        content, others = path.read_bytes(), other.read_bytes()
        for wrong in (content[:-1], content[: len(content) // 2], b"", content + b"\n", others):
            if wrong != content:
                path.write_bytes(wrong)
                refused(three)
        path.unlink()
        if path.name != "bundle.json":
            refused(three, "missing|changed")
        path.write_bytes(content)
    verified = three.exports()
    lines = (three.folder / "exports/exports.sha256").read_text().splitlines(keepends=True)
    assert len(lines) == 1 + len(verified) == 4
    for count in range(4):
        (three.folder / "exports/exports.sha256").write_text("".join(lines[:count]))
        refused(three)


def sealed_again(bundle: Bundle) -> None:
    sha256 = digest(bundle.folder / "bundle.json")
    (bundle.folder / "bundle.sha256").write_text(f"{sha256}  bundle.json\n")


STRAYS = [
    "more.py", "golden/060.png", "plots/.DS_Store", "MODEL.keras", "Bundle.json", "1/bundle.json",
    "exports/notes.txt", "exports/.DS_Store", "exports/TFLite-int8/export.json",
    "exports/.hidden/model.tflite", "exports/tflite-int8/labels.txt",
    "exports/tflite-int8/Model.tflite", "exports/saved_model-float32/model.saved_model/1/x.py",
]  # fmt: skip


@pytest.mark.parametrize("name", STRAYS)
def test_what_was_added_is_noticed(three, name):
    path = three.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"anything")
    refused(three)


def test_planted_exports_and_bundles_are_noticed(three, tmp_path):
    exports = three.folder / "exports"
    shutil.copytree(exports / "tflite-int8", exports / "tflite-float16")
    refused(three, "added: 'tflite-float16'")
    shutil.rmtree(exports / "tflite-float16")
    (exports / "tflite-float16").mkdir()
    refused(three, "added: 'tflite-float16'")
    (exports / "tflite-float16").rmdir()
    shutil.copytree(three.folder, tmp_path / "whole")
    shutil.move(tmp_path / "whole", three.folder / "2")
    refused(three, "added: '2/bundle.json'")


def test_exports_of_another_bundle_are_noticed(three, tmp_path):
    other = Bundle.load(shutil.copytree(three.folder, tmp_path / "other" / "1"))
    told = other.manifest.model_copy(update={"created": "2026-02-02T00:00:00"})
    content = told.model_dump_json().encode()
    (other.folder / "bundle.json").write_bytes(content)
    sealed_again(other)
    reseal(other)
    assert len(Bundle.load(other.folder).exports()) == 3
    shutil.rmtree(three.folder / "exports")
    shutil.copytree(other.folder / "exports", three.folder / "exports")
    refused(three, "exports.sha256' was changed, or vouches for another bundle")


def test_a_lowered_tolerance_and_a_hidden_failure_are_noticed(three):
    path = three.folder / "exports/tflite-float32/export.json"
    text = path.read_text()
    for before, after in (('"min_agreement": 0.99', '"min_agreement": 0.09'), ("true", "null")):
        assert before in text
        path.write_text(text.replace(before, after, 1))
        refused(three, "changed: 'tflite-float32/export.json'")
        with pytest.raises(IntegrityError, match="changed: 'tflite-float32/export.json'"):
            Predictor(three.folder)


def as_link(path: Path, away: Path) -> None:
    shutil.move(path, away)
    path.symlink_to(away)


def as_dangling_link(path: Path, away: Path) -> None:
    as_link(path, away)
    away.unlink()


def as_device(path: Path, away: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def as_pipe(path: Path, away: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def as_socket(path: Path, away: Path) -> None:
    path.unlink()
    here = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{here}/{path.name}")  # longer names are refused
    os.close(here)


def as_folder(path: Path, away: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "kind", [as_link, as_dangling_link, as_device, as_pipe, as_socket, as_folder]
)
def test_what_is_no_file_inside_the_bundle_is_refused_by_name(three, tmp_path, kind):
    for path in some_files(three):
        content = path.read_bytes()
        kind(path, tmp_path / "away")
        with pytest.raises(IntegrityError) as caught:
            verify_bundle(three.folder)
        parts = [part for part in path.parts if part.startswith(("model", path.name))]
        assert any(part in str(caught.value) for part in parts)
        if "exports" not in path.parts or path.parent.name == "tflite-int8":
            with pytest.raises(IntegrityError, match=path.name):
                Predictor(three.folder)
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        (tmp_path / "away").unlink(missing_ok=True)
        path.write_bytes(content)
    assert len(three.exports()) == 3


@pytest.mark.parametrize("name", ["golden", "exports", "exports/tflite-int8"])
def test_a_folder_that_is_a_link_is_refused(three, tmp_path, name):
    as_link(three.folder / name, tmp_path / "away")
    refused(three)


def test_golden_photos_are_read_from_the_bundle_alone(three, tmp_path):
    """A manifest that vouches for golden vectors which name a file elsewhere."""
    (tmp_path / "secret.png").write_bytes((three.folder / "golden/000.png").read_bytes())
    path = three.folder / "golden/golden.npz"
    with np.load(path) as arrays:
        kept = dict(arrays)
    for wrong in (
        "../../../secret.png",
        str(tmp_path / "secret.png"),
        "../bundle.json",
        "x\0y",
        "",
    ):
        kept["files"] = np.array([wrong, *kept["files"][1:]])
        np.savez(path, **kept)
        told = three.manifest
        sha256 = {**told.sha256, "golden/golden.npz": digest(path), f"golden/{wrong}": "0" * 64}
        sizes = {**told.size_bytes, "golden/golden.npz": path.stat().st_size}
        changed = told.model_copy(update={"sha256": sha256, "size_bytes": sizes})
        with pytest.raises(IntegrityError, match="is not as it was written"):
            type(three)(three.folder, changed).golden()


def test_the_bytes_that_were_checked_are_those_that_are_used(three, tmp_path):
    """What changes after the check reaches no runtime."""
    record = three.exports()["tflite-int8"]
    content = record.path.read_bytes()
    with opened(record) as copy:
        record.path.write_bytes(b"other")
        assert copy.path.read_bytes() == content and copy.name == record.name
        assert three.folder not in copy.path.parents
    assert not copy.path.exists()
    with pytest.raises(IntegrityError, match="changed: 'model.keras'"):
        path = three.folder / "model.keras"
        path.write_bytes(path.read_bytes()[::-1])
        three.load_model()


def test_a_huge_file_is_not_read(three):
    for name in ("model.keras", "exports/tflite-int8/model.tflite", "exports/exports.sha256"):
        path = three.folder / name
        kept = path.read_bytes()
        os.truncate(path, 1 << 40)
        refused(three)
        path.write_bytes(kept)


def of_format_2(bundle: Bundle) -> Bundle:
    """Say of a bundle that it is of the format that stated no sizes."""
    told = bundle.manifest.model_dump(mode="json", exclude={"size_bytes", "exports_sealed"})
    (bundle.folder / "bundle.json").write_text(json.dumps({**told, "format_version": 2}))
    sealed_again(bundle)
    return bundle


@pytest.mark.parametrize("name", ["model.keras", "calibration.npz", "golden/000.png", "data.jsonl"])
def test_a_huge_file_of_a_format_without_sizes_is_not_read(three, name):
    (of_format_2(three).folder / "exports/exports.sha256").unlink()
    bundle = Bundle.load(three.folder)
    os.truncate(three.folder / name, 1 << 43)
    refused(three, f"changed: '{name}'")
    with pytest.raises(IntegrityError, match=f"changed: '{name}'"):
        bundle.read(name)


def test_an_export_that_was_interrupted_leaves_the_old_or_the_new_one(three):
    before = read_seal(three.folder)
    path = three.folder / "exports/tflite-int8/export.json"
    old, new = path.read_bytes(), path.read_bytes() + b"\n"
    path.write_bytes(new)
    wanted = digest(path)
    path.write_bytes(old)
    with pytest.raises(KeyboardInterrupt), sealing(three.folder, before, "tflite-int8", wanted):
        raise KeyboardInterrupt
    for content in (old, new):
        path.write_bytes(content)
        assert len(three.exports()) == 3
    path.write_bytes(old + b" ")
    refused(three, "changed: 'tflite-int8/export.json'")
    path.write_bytes(new)
    with sealing(three.folder, read_seal(three.folder), "tflite-int8", wanted):
        pass
    assert read_seal(three.folder)["tflite-int8"] == (wanted,)
    path.write_bytes(old)
    refused(three)


def test_an_export_that_was_about_to_be_added_may_be_absent(three):
    seal = read_seal(three.folder)
    write_seal(three.folder, {**seal, "onnx-float32": (ABSENT, "1" * 64)})
    assert len(three.exports()) == 3
    (three.folder / "exports/onnx-float32").mkdir()
    refused(three, "missing: 'onnx-float32/export.json'")


def test_a_damaged_seal_is_mended_by_exporting_again(three, capsys):
    (three.folder / "exports/exports.sha256").write_text("nothing")
    refused(three)
    three.export("tflite", overwrite=True)
    assert "nothing vouches for the exports" in capsys.readouterr().err
    refused(three, "added: 'saved_model-float32', 'tflite-int8'. Remove what was added, or export")


def test_a_lost_seal_is_not_replaced_without_a_word(three, capsys):
    (three.folder / "exports/exports.sha256").unlink()
    refused(three, "missing: 'exports.sha256'")
    with _folder_in_the_making(three, three.folder / "exports/tflite-int8", True) as folder:
        shutil.copytree(three.folder / "exports/tflite-int8", folder, dirs_exist_ok=True)
    told = "has lost 'exports.sha256', which vouched for 'saved_model-float32', 'tflite-float3"
    assert told in capsys.readouterr().err
    refused(three, "added: 'saved_model-float32', 'tflite-float32'. Remove")


def test_exports_of_the_format_before_vouch_for_themselves(three):
    """Format 2 stated no sizes, and had no seal over exports."""
    before = three.exports()
    of_format_2(three)
    (three.folder / "exports/exports.sha256").unlink()
    found = Bundle.load(three.folder)
    assert found.exports() == before and not found.manifest.size_bytes
    assert len(found.golden().files) == 60 and found.load_model().count_params()
    found.export("tflite", overwrite=True)
    assert set(read_seal(three.folder)) == set(found.exports()) == set(before)
    with pytest.raises(DataError, match="no exported file"):
        shutil.rmtree(three.folder / "exports")
        verify_bundle(three.folder)
