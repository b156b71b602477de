"""A real client: MediaPipe Tasks reads our files, labels included, and answers the same."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerasrecipes.release.bundle import Bundle
from tiny_bert import draw_texts, write_table

SCRIPT = Path(__file__).parents[1] / "clients" / "check_mediapipe.py"
_spec = importlib.util.spec_from_file_location("check_mediapipe", SCRIPT)
check = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(check)


def run(bundle, photos) -> str:
    """Run the script as a user would; without a package index there is nothing to run."""
    command = [sys.executable, str(SCRIPT), str(bundle.folder), str(photos)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == check.NO_INDEX:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-2000:]}"
    return done.stdout


def write_photos(photos, labels, root):
    """Write photos into a folder for each class."""
    for i, (photo, label) in enumerate(zip(photos, labels, strict=True)):
        (root / label).mkdir(exist_ok=True)
        Image.fromarray(photo).save(root / label / f"{i:03}.png")
    return root


@pytest.mark.slow
def test_a_tiny_model_with_an_awkward_label(tiny, exported_once, tmp_path):
    photos, labels = tiny.colour_photos(200, seed=41)
    root = write_photos(photos, [f"c{label}" for label in labels], tmp_path)
    assert run(exported_once, root).splitlines() == [
        "tflite-float32: same answer on 200 of 200 photos",
        "tflite-int8: same answer on 200 of 200 photos",
    ]


@pytest.mark.proof
def test_a_trained_efficientnet_lite(saved_once, draw_part, tmp_path):
    """Photos of another size than the model's, in float32 and in int8."""
    shutil.copytree(saved_once.folder, tmp_path / "parts" / "1")
    bundle = Bundle.load(tmp_path / "parts" / "1")
    bundle.export("tflite", "int8")
    kinds = [("dot", "plain", "stripe")[i % 3] for i in range(200)]
    photos = [draw_part(kind, 1000 + i) for i, kind in enumerate(kinds)]
    (tmp_path / "photos").mkdir()
    assert run(bundle, write_photos(photos, kinds, tmp_path / "photos")).splitlines() == [
        "tflite-float32: same answer on 200 of 200 photos",
        "tflite-int8: same answer on 200 of 200 photos",
    ]


@pytest.mark.slow
def test_texts_which_it_splits_into_tokens_itself(text_bundle, tmp_path):
    """Of any length, in capitals, with accents, signs and words that nobody knows."""
    texts = [text for _, text in draw_texts(200, seed=3)]
    texts[:5] = [
        "LOST my Café!!",
        "ÉTÉ ΑΒΓ lost Łódź",
        "pins? 😀 fees",
        "汉字 refund",
        "the unheard-of app",
    ]
    table = write_table(tmp_path / "new.jsonl", [("card", text) for text in texts])
    assert run(text_bundle, table).splitlines() == [
        "tflite-dynamic: same answer on 200 of 200 texts"
    ]


def test_a_difference_is_seen():
    scores = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
    right = [{"label": "a", "score": 0.9}, {"label": "b", "score": 0.8}]
    assert check.differences(right, scores, ["a", "b"]) == []
    assert len(check.differences(right, scores, ["b", "a"])) == 2
    assert len(check.differences(right, scores + 0.001, ["a", "b"])) == 2
    assert check.differences(right[:1], scores, ["a", "b"]) == ["1 answers for 2"]


def test_no_index_and_a_broken_package_are_told_apart(tmp_path, monkeypatch):
    """Only the first is a reason to skip."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(check.subprocess, "run", lambda *a, **k: None)
    for has_index, code in ((False, check.NO_INDEX), (True, f"{check.MEDIAPIPE} cannot be")):
        monkeypatch.setattr(
            check, "_pip", lambda _, verb, *a, ok=has_index: verb == "install" or not ok
        )
        with pytest.raises(SystemExit) as caught:
            check.set_up()
        assert caught.value.code == code or str(caught.value.code).startswith(str(code))
