"""Predicting with exported files."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from kerasrecipes.errors import DataError, IntegrityError
from kerasrecipes.serve import Predictor
from tiny_bundle import contract_of, reseal


@pytest.fixture
def photos(tiny, tmp_path):
    """A folder with subfolder, 6 photos, and things that are no photos."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for i, photo in enumerate(tiny.colour_photos(6, seed=31)[0]):
        (folder / ("sub" if i > 3 else "") / f"{i}.png").write_bytes(tiny.png(photo))
    (folder / "notes.txt").write_text("not a photo")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "loop").symlink_to(folder)
    (folder / "link.png").symlink_to(folder / "0.png")
    os.mkfifo(folder / "pipe.png")
    return folder


@pytest.fixture(scope="module")
def predictor(exported_once):
    return Predictor(exported_once.folder)


def test_smallest_verified_export_is_taken(exported_once, predictor):
    sizes = {record.size_bytes: name for name, record in exported_once.exports().items()}
    assert predictor.export == sizes[min(sizes)] == "tflite-int8"
    assert Predictor(exported_once, export="tflite-float32").export == "tflite-float32"


def test_answers_like_keras(exported_once, trained, tiny, photos):
    pixels, _ = tiny.colour_photos(6, seed=31)
    expected = trained.predict(pixels.astype("float32"), verbose=0)
    found = Predictor(exported_once, export="tflite-float32").predict(photos)
    assert [os.path.basename(one.path) for one in found] == [f"{i}.png" for i in range(6)]
    for one, scores in zip(found, expected, strict=True):
        assert one.error == "" and one.label == tiny.CLASS_NAMES[scores.argmax()]
        assert one.score == pytest.approx(scores.max(), abs=1e-4)
        assert list(one.scores.values()) == sorted(one.scores.values(), reverse=True)
        assert set(one.scores) == set(tiny.CLASS_NAMES)


def test_paths_bytes_and_folders_mix(predictor, photos):
    path = photos / "0.png"
    found = predictor.predict([path, path.read_bytes(), str(path), photos / "sub"], top=1)
    assert [one.path for one in found[:3]] == [str(path), "", str(path)]
    assert found[0].label == found[1].label == found[2].label
    assert len(found) == 5 and all(len(one.scores) == 1 for one in found)


def test_photos_that_cannot_be_used_do_not_stop_the_others(predictor, photos):
    (photos / "1.png").write_bytes((photos / "1.png").read_bytes()[:200])
    (photos / "2.png").write_bytes(b"")
    found = predictor.predict([photos, photos / "gone.jpg", photos / "pipe.png", b"<html>"])
    reasons = {os.path.basename(one.path): one.error for one in found if one.error}
    assert set(reasons) == {"1.png", "2.png", "gone.jpg", "pipe.png", ""}
    assert "truncated" in reasons["1.png"] and "empty file" in reasons["2.png"]
    assert all(one.label == "" and one.scores == {} for one in found if one.error)
    assert sum(not one.error for one in found) == 4


def test_folder_without_photos(predictor, tmp_path):
    (tmp_path / "empty").mkdir()
    (found,) = predictor.predict(tmp_path / "empty")
    assert "has no photos" in found.error


def test_prediction_goes_to_json(predictor, photos):
    values = json.loads(json.dumps(predictor.predict(photos / "0.png")[0].to_dict()))
    assert set(values) == {"path", "label", "score", "scores", "error"}


@pytest.mark.parametrize("top", [0, -1, 1.5])
def test_top_must_be_positive(predictor, top):
    with pytest.raises(ValueError, match=r"`top` must be a whole number"):
        predictor.predict([], top=top)


def test_threads_share_one(exported_once, photos):
    predictor = Predictor(exported_once, export="tflite-float32")
    alone = predictor.predict(photos)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(predictor.predict, [photos] * 24)) == [alone] * 24


def test_threads_open_their_own(exported_once, photos, capfd):
    def answers(_):
        return Predictor(exported_once).predict(photos)

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(answers, range(4))
    assert others == [first] * 3
    print("heard")  # none of them leaves the output hidden
    assert capfd.readouterr().out == "heard\n"


def test_lone_file_knows_its_labels_and_policy(exported, photos, tmp_path, predictor):
    path = tmp_path / "phone.tflite"
    path.write_bytes(exported.exports()["tflite-int8"].path.read_bytes())
    lone = Predictor(path)
    assert lone.class_names == predictor.class_names and lone.input == predictor.input
    assert lone.predict(photos) == predictor.predict(photos)
    with pytest.raises(ValueError, match=r"`export` chooses among the exports of a bundle"):
        Predictor(path, export="tflite-int8")


def test_lone_file_with_wrong_number_of_labels(exported, tmp_path):
    from kerasrecipes.export.tflite.metadata import add_metadata

    path = tmp_path / "phone.tflite"
    content = exported.exports()["tflite-int8"].path.read_bytes()
    path.write_bytes(add_metadata(content, contract_of(["a", "b"])))
    with pytest.raises(DataError, match=r"gives 3 scores for 2 labels"):
        Predictor(path)


def test_bundle_without_exports_names_the_command(bundle):
    with pytest.raises(DataError) as caught:
        Predictor(bundle.folder)
    command = f"kerasrecipes export {bundle.folder} --format tflite --quantization int8"
    assert command in str(caught.value)


def test_unknown_export(exported_once):
    with pytest.raises(ValueError, match=r"Unknown export 'int8'"):
        Predictor(exported_once, export="int8")


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match="There is no saved model in "):
        Predictor(tmp_path / "nothing")


def test_a_photo_in_place_of_the_model(tmp_path):
    (tmp_path / "a.JPG").touch()
    with pytest.raises(DataError, match=r"a photo, and not a model. Name .* saved_models/tiles '/"):
        Predictor(tmp_path / "a.JPG")


@pytest.mark.parametrize("name", ["huge.tflite", "huge.onnx"])
def test_a_file_that_no_memory_holds_is_refused(tmp_path, name):
    with (tmp_path / name).open("wb") as file:
        file.truncate(30 << 30)  # of holes
    with pytest.raises(DataError, match=f"{name}' is larger than 2,147,483,648 bytes"):
        Predictor(tmp_path / name)


def test_unverified_exports_are_not_used(exported):
    for record in exported.exports().values():
        path = record.folder / "export.json"
        values = json.loads(path.read_text())
        values["verification"]["passed"] = False
        path.write_text(json.dumps(values))
    reseal(exported)
    with pytest.raises(DataError, match=r"No export of the bundle .* passed its verification"):
        Predictor(exported)


def test_an_export_that_is_passed_over_is_told_of(exported, capsys):
    path = exported.folder / "exports/tflite-int8/export.json"
    path.write_text(path.read_text().replace('"passed": true', '"passed": false'))
    reseal(exported)
    assert Predictor(exported).export == "tflite-float32"
    assert "exports 'tflite-int8' did not pass their verif" in capsys.readouterr().err


def test_changed_file_is_noticed(exported):
    path = exported.exports()["tflite-int8"].path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"was changed since it was verified"):
        Predictor(exported.folder)


def test_nan_answers_are_errors(exported_once, photos):
    predictor = Predictor(exported_once)

    class Broken:
        def __call__(self, batch):
            return {"scores": np.full((1, 3), np.nan, np.float32)}

    predictor.model = Broken()
    assert "NaN or infinity" in predictor.predict(photos / "0.png")[0].error


def test_needs_no_tensorflow(exported_once, photos):
    code = (
        "import sys\n"
        "from kerasrecipes.serve import Predictor\n"
        f"found = Predictor({str(exported_once.folder)!r}).predict({str(photos)!r})\n"
        "assert len(found) == 6\n"
        "loaded = {'tensorflow', 'keras', 'sklearn', 'matplotlib'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
