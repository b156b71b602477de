"""Exporting a bundle: verified first, added whole or not at all."""

import errno
import json
import os
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from kerasrecipes import files
from kerasrecipes.bundles.export_record import (
    ExportRecord,
    check_digest,
    no_exports,
    opened,
    read_exports,
)
from kerasrecipes.errors import DataError, IntegrityError, VerificationError
from kerasrecipes.export import get_format, list_formats
from kerasrecipes.export.tflite.layers import read_layers
from kerasrecipes.files import digest
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.release.exporting import _folder_in_the_making, export_model
from kerasrecipes.serve.predictor import Predictor
from kerasrecipes.verify import Tolerance, verify_bundle, verify_export
from tiny_bundle import contract_of, reseal


def entries(bundle):
    folder = bundle.folder / "exports"
    return sorted(path.name for path in folder.glob("*/")) if folder.exists() else []


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
    found = get_format("tflite").read_contract(exported_once.exports()["tflite-int8"].path)
    assert found.outputs == exported_once.manifest.outputs
    assert found.input == exported_once.input and found.modality == "photos"
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


def test_a_full_disk_is_told_and_leaves_what_was_there(exported, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    target = exported.folder / "exports/tflite-float32"
    before = exported.exports()
    for place in ("sync_folder", "put_in_place"):
        told = "Nothing was saved in .*float32': No space left on device. Free some space, then"
        with (
            monkeypatch.context() as patch,
            pytest.raises(OSError, match=told),
            _folder_in_the_making(exported, target, True) as folder,
        ):
            shutil.copytree(target, folder, dirs_exist_ok=True)
            patch.setattr(f"kerasrecipes.release.exporting.{place}", full)
        assert exported.exports() == before
    assert entries(exported) == ["tflite-float32", "tflite-int8"]
    with monkeypatch.context() as patch, pytest.raises(OSError, match="'.*tflite' is read from a"):
        patch.setattr("pathlib.Path.open", full)
        check_digest(before["tflite-int8"])


def test_existing_export_needs_overwrite(exported):
    with pytest.raises(ValueError, match=r"exists already. Pass overwrite=True \(--overwrite\)"):
        export_model(exported, quantization="float32")
    record = export_model(exported, quantization="float32", overwrite=True)
    assert exported.exports()["tflite-float32"] == record


@pytest.mark.parametrize("atomic", [True, False])
def test_readers_and_two_writers_at_once(exported, tmp_path, tiny, monkeypatch, atomic):
    """Each reader sees the export as it was or as it is, whole; writers come one by one."""
    if not atomic:  # another file system
        monkeypatch.setattr(files, "_exchanged", lambda *_: False)
    photo = tiny.png(tiny.colour_photos(1, seed=8)[0][0])
    name, versions, answers = "tflite-float32", [], []
    for number, temperature in enumerate((2.0, 0.5)):
        record = exported.export("tflite", temperature=temperature, overwrite=True)
        versions.append(shutil.copytree(record.folder, tmp_path / str(number)))
        answers.append(Predictor(exported, export=name).predict(photo)[0].scores)
    done = threading.Event()

    def write(version):
        for _ in range(8):
            with _folder_in_the_making(exported, record.folder, overwrite=True) as folder:
                shutil.copytree(version, folder, dirs_exist_ok=True)

    def read():
        found = []
        while not done.is_set():
            found.append(Predictor(exported.folder, export=name).predict(photo)[0].scores)
        return found

    with ThreadPoolExecutor() as pool:
        readers = [pool.submit(read) for _ in range(3)]
        writers = [pool.submit(write, version) for version in versions]
        wait(writers)
        done.set()
        found = [scores for reader in readers for scores in reader.result()]
        assert all(writer.result() is None for writer in writers)
    assert answers[0] != answers[1] and all(scores in answers for scores in found)
    assert len(found) > 3
    assert entries(exported) == [name, "tflite-int8"]
    check_digest(exported.exports()[name])


def test_a_reader_that_lost_takes_what_is_there_now(exported):
    before = exported.exports()["tflite-float32"]
    exported.export("tflite", temperature=2.0, overwrite=True)
    with opened(before, exported) as copy:
        assert copy.decision.temperature == 2.0
    with pytest.raises(IntegrityError, match="was changed since"), opened(before):
        pass


def test_a_writer_that_was_slower_says_so(exported):
    export = exported.exports()["tflite-int8"].folder
    shutil.rmtree(export)
    with pytest.raises(ValueError, match="exists already. Pass overwrite=True"):
        with _folder_in_the_making(exported, export, overwrite=False) as folder:
            (folder / "export.json").write_text("{}")
            shutil.copytree(folder, export)
    assert (export / "export.json").read_text() == "{}"


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
    assert list_formats() == ["onnx", "saved_model", "tflite"]
    with pytest.raises(ValueError, match="Unknown format 'onnxx'"):
        get_format("onnxx")


def test_unfinished_exports_are_ignored(exported):
    (exported.folder / "exports" / ".writing-killed" / "tflite-int8").mkdir(parents=True)
    assert sorted(read_exports(exported)) == ["tflite-float32", "tflite-int8"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"format": 3}', '{"format": "tflite"}'],
)
def test_damaged_records_are_named(exported, text):
    path = exported.folder / "exports" / "tflite-int8" / "export.json"
    path.write_text(text)
    with pytest.raises(IntegrityError, match="changed: 'tflite-int8/export.json'"):
        read_exports(exported)
    reseal(exported)
    with pytest.raises(IntegrityError, match="export.json' is damaged"):
        read_exports(exported)
    path.unlink()
    with pytest.raises(IntegrityError, match="missing: 'tflite-int8/export.json'"):
        read_exports(exported)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"file": "../../../elsewhere.tflite"}, "it describes another export"),
        ({"quantization": "float32"}, "it describes another export"),
        ({"sha256": 5}, "`sha256`: Input should be a valid string"),
    ],
)
def test_changed_records_are_refused(exported, change, message):
    path = exported.folder / "exports" / "tflite-int8" / "export.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(IntegrityError, match=message):
        ExportRecord.parse(path.read_bytes(), path.parent)


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


@pytest.fixture(scope="module")
def all_formats_once(exported_once, tmp_path_factory):
    """A bundle with an export in every format; not to be changed."""
    folder = tmp_path_factory.mktemp("formats") / "colours" / "3"
    shutil.copytree(exported_once.folder, folder)
    bundle = Bundle.load(folder)
    for name in ("onnx", "saved_model"):
        export_model(bundle, name)
    return bundle


@pytest.fixture
def all_formats(all_formats_once, tmp_path):
    folder = tmp_path / "colours" / "3"
    shutil.copytree(all_formats_once.folder, folder)
    return Bundle.load(folder)


def test_every_format_is_verified_added_and_used(all_formats, tiny):
    """From the bundle alone: list, verify, predict."""
    names = ["onnx-float32", "saved_model-float32", "tflite-float32", "tflite-int8"]
    assert entries(all_formats) == names
    for record in all_formats.exports().values():
        assert record.verification["passed"] and record.verification["agreement"] == 1.0
        assert record.size_bytes > 5000
    found = verify_bundle(all_formats.folder)
    assert [(one.name, one.passed) for one in found] == [(name, True) for name in names]
    photos = [tiny.png(photo) for photo in tiny.colour_photos(3, seed=8)[0]]
    for name in names:
        answers = Predictor(all_formats, export=name).predict(photos)
        assert [one.label for one in answers] == tiny.CLASS_NAMES
    assert Predictor(all_formats).export == "tflite-int8"
    for name in ("tflite-float32", "tflite-int8"):
        shutil.rmtree(all_formats.folder / "exports" / name)
    reseal(all_formats)
    assert Predictor(all_formats).export == "onnx-float32"
    with pytest.raises(ValueError, match="`threads` has no effect on a SavedModel"):
        Predictor(all_formats, threads=2, export="saved_model-float32")


def test_saved_model_has_the_version_of_its_bundle(all_formats_once):
    record = all_formats_once.exports()["saved_model-float32"]
    assert (record.path / "3" / "saved_model.pb").is_file()


def _damages(path):
    """Yield ways to damage one file: bits turned, cut short, lengthened, removed."""
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(content), 5):
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        yield partial(path.write_bytes, changed)
    for other in (content[:-1], content[: len(content) // 2], b"", content + b"\0"):
        yield partial(path.write_bytes, other)
    yield path.unlink
    path.write_bytes(content)


@pytest.mark.parametrize("name", list_formats())
def test_damage_is_stopped_before_a_runtime_sees_it(all_formats, name, monkeypatch):
    record = all_formats.exports()[f"{name}-float32"]
    chosen = replace(get_format(name), load=lambda *a, **k: pytest.fail("opened a damaged file"))
    monkeypatch.setattr("kerasrecipes.serve.predictor.get_format", lambda name: chosen)
    monkeypatch.setattr("kerasrecipes.verify.checking.get_format", lambda name: chosen)
    files = [record.path] if record.path.is_file() else sorted(record.path.rglob("*.*"))
    files = [file for file in files if file.is_file()]
    count = 0
    for file in files:
        for damage in _damages(file):
            damage()
            count += 1
            with pytest.raises(IntegrityError, match="was changed since|missing or unreadable"):
                Predictor(all_formats, export=record.name)
            with pytest.raises(IntegrityError):
                verify_export(all_formats, record)
    assert count == 10 * len(files) and len(files) >= (4 if name == "saved_model" else 1)
    check_digest(record)


def test_changes_inside_a_folder_are_noticed(all_formats, tmp_path):
    record = all_formats.exports()["saved_model-float32"]
    version = record.path / "3"
    check_digest(record)
    (version / "extra.py").write_bytes(b"")
    with pytest.raises(IntegrityError, match=r"model.saved_model' was changed since"):
        check_digest(record)
    (version / "extra.py").unlink()
    (version / "link").symlink_to(tmp_path)
    with pytest.raises(IntegrityError, match=r"3/link' is missing or unreadable: it is a link"):
        check_digest(record)
    (version / "link").unlink()
    os.mkfifo(version / "pipe")
    with pytest.raises(
        IntegrityError, match="3/pipe' is missing or unreadable: it is a pipe, socket or device"
    ):
        check_digest(record)
    (version / "pipe").unlink()
    version.rename(record.path / "4")
    with pytest.raises(IntegrityError, match="was changed since"):
        check_digest(record)


def test_digest_of_a_folder_is_one_that_others_can_make(all_formats_once):
    record = all_formats_once.exports()["saved_model-float32"]
    command = (
        "find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum --zero | sha256sum"
    )
    done = subprocess.run(command, shell=True, cwd=record.path, capture_output=True, text=True)
    assert done.stdout.split()[0] == record.sha256


def test_unknown_options_are_refused_before_any_work(bundle, monkeypatch):
    monkeypatch.setattr(type(bundle), "load_model", lambda self: pytest.fail("model was loaded"))
    with pytest.raises(ValueError, match=r"`vresion` .*'saved_model'. Did you mean 'version'\?"):
        export_model(bundle, "saved_model", vresion=2)
    with pytest.raises(ValueError, match=r"`version` is no option of the format 'onnx'. It takes"):
        export_model(bundle, "onnx", version=2)


def test_message_for_bundles_without_exports(bundle):
    told = f"kerasrecipes export {bundle.folder} --format tflite --quantization int8"
    assert told in no_exports(bundle)


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
            return replace(found, answers=found.answers[:, ::-1])

    with pytest.raises(VerificationError, match="top-1 agreement .* on 60 photos"):
        export_model(Turned(bundle.folder, bundle.manifest), photos=photo_set)


@pytest.mark.parametrize("written", ["float32", "float16", "dynamic", "int8"])
def test_bytes_are_only_added_as_what_they_are(bundle, trained, tiny, tmp_path, written):
    path = tmp_path / "model.tflite"
    get_format("tflite").write(
        trained, path, quantization=written, calibration=bundle.calibration(),
        contract=contract_of(tiny.CLASS_NAMES),
    )  # fmt: skip
    content = path.read_bytes()
    for quantization in ("float32", "float16", "dynamic", "int8"):
        if quantization == written:
            assert export_model(bundle, "tflite", written, content=content).size_bytes
            continue
        with pytest.raises(VerificationError):
            export_model(bundle, "tflite", quantization, content=content)
    assert list(bundle.exports()) == [f"tflite-{written}"]


def test_with_bytes_there_are_no_options(bundle):
    with pytest.raises(ValueError, match="'signatures' would have no effect on `content`"):
        export_model(bundle, "tflite", content=b"", signatures=("embed",))
    with pytest.raises(ValueError, match="The format 'saved_model' takes no `content`"):
        export_model(bundle, "saved_model", content=b"")
    with pytest.raises(DataError, match="'content' is not a TFLite file"):
        export_model(bundle, "tflite", content=b"x" * 99)


def test_an_int8_export_may_leave_layers_in_float(bundle):
    names = [layer.name for layer in bundle.load_model().layers if "conv2d" in layer.name]
    record = bundle.export("tflite", "int8", keep_float=names[1:])
    stored = {layer.name: layer.weights for layer in read_layers(record.path.read_bytes())}
    assert [stored[name] for name in names] == ["int8", "float32"]
    with pytest.raises(ValueError, match="would have no effect on `content`"):
        content = record.path.read_bytes()
        bundle.export("tflite", "int8", content=content, keep_float=names, overwrite=True)
