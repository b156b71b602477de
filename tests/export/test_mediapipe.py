"""A real client: MediaPipe Tasks reads our files, labels included, and answers the same."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerasrecipes.export import get_format

MEDIAPIPE = "mediapipe==1.2.2"
SCRIPT = Path(__file__).parents[1] / "clients" / "mediapipe_classifier.py"


@pytest.fixture(scope="module")
def python():
    """The interpreter of an environment with MediaPipe, made once and kept."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "kerasrecipes-tests" / MEDIAPIPE.replace("==", "-")
    folder.mkdir(parents=True, exist_ok=True)
    interpreter, ready = folder / "bin" / "python", folder / "ready"
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            for command in (
                [sys.executable, "-m", "venv", str(folder)],
                [str(interpreter), "-m", "pip", "install", "--quiet", MEDIAPIPE],
                [str(interpreter), "-c", "from mediapipe.tasks.python import vision"],
            ):
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                    pytest.skip(f"{MEDIAPIPE} cannot be set up here: {reason}")
            ready.touch()
    return str(interpreter)


@pytest.fixture(scope="module")
def photos(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    pixels, _ = tiny.colour_photos(200, seed=41)
    for i, photo in enumerate(pixels):
        Image.fromarray(photo).save(folder / f"{i:03d}.png")
    return folder, pixels


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tflite-float32", "tflite-int8"])
def test_mediapipe_answers_the_same(python, photos, exported_once, name):
    folder, pixels = photos
    path = exported_once.exports()[name].path
    done = subprocess.run(
        [python, str(SCRIPT), str(path), str(folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    scores = get_format("tflite").load(path)(pixels)
    # A line break in a name is escaped in the list of labels, which has one name a line.
    labels = [n.replace("\n", "\\n") for n in exported_once.manifest.class_names]
    assert len(found) == len(scores) == 200
    assert [one["label"] for one in found.values()] == [labels[i] for i in scores.argmax(1)]
    np.testing.assert_allclose([one["score"] for one in found.values()], scores.max(1), atol=1e-6)
