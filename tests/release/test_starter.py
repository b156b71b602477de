"""Starters: projects that run the exported file in other languages, and check themselves."""

import io
import re
import shutil
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
from PIL import Image

from kerasrecipes.errors import DataError, IntegrityError
from kerasrecipes.export import get_format
from kerasrecipes.release import starter
from kerasrecipes.release.starter import list_starters, write_starter
from starters import build, run


@pytest.fixture(scope="module")
def large_photo():
    """A photo that must be resized by odd factors."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:70, :101]
    colours = np.stack([2 * x, 3 * y, 255 - x - y], -1) + rng.normal(0, 40, (70, 101, 3))
    return np.clip(colours, 0, 255).astype(np.uint8)


def add_golden(folder, bundle, photo, kind):
    """Add a photo that must be resized; what it must score is found as in training."""
    file = io.BytesIO()
    Image.fromarray(photo).save(file, kind.upper())
    model = get_format("tflite").load(folder / "model.tflite")
    scores = model(bundle.decode(file.getvalue())[None])["scores"][0]
    (folder / "golden" / f"large.{kind}").write_bytes(file.getvalue())
    with open(folder / "golden" / "golden.txt", "a") as lines:
        lines.write(" ".join([f"large.{kind}", *map(str, scores)]) + "\n")


def check_runs(command, folder, bundle, photo, kind):
    """What a starter that runs here must do."""
    add_golden(folder, bundle, photo, kind)
    done = run([*command, f"golden/1.{kind}"], folder)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 7
    assert all(line.endswith("as verified") for line in lines[:6])
    assert "golden large" in lines[5]
    assert re.fullmatch(rf" *\d+\.\d%  green  golden/1\.{kind}", lines[6])
    golden = folder / "golden" / "golden.txt"
    text = golden.read_text()
    golden.write_text(text.replace("0.0", "0.4", 1))
    done = run(command, folder)
    assert done.returncode == 3 and "WRONG" in done.stdout
    golden.write_text("")
    return run(command, folder)


def test_python_starter_runs(exported_once, large_photo, tmp_path):
    folder = write_starter(exported_once, "python", tmp_path / "app", export="tflite-float32")
    command = [sys.executable, "-W", "error", "classify.py"]
    check_runs(command, folder, exported_once, large_photo, "png")


def test_cpp_starter_runs(exported_once, large_photo, tmp_path):
    folder = write_starter(exported_once, "cpp", tmp_path / "app")
    build(folder)
    done = check_runs(["./classify"], folder, exported_once, large_photo, "ppm")
    assert done.returncode == 3 and "There is no golden" in done.stderr
    (folder / "model.tflite").write_bytes(b"TFL3" * 100)
    done = run(["./classify"], folder)
    assert done.returncode == 1 and "LiteRT: opening the file failed" in done.stderr


RESIZE = """#include <cstdio>
#include "photo_classifier.h"
int main(int, char** a) {
  const auto how = a[4][2] == 'l' ? Interpolation::kBilinear : Interpolation::kBicubic;
  const Photo photo = Resize(ReadPpm(a[1]), std::stoi(a[2]), std::stoi(a[3]), how);
  std::fwrite(photo.pixels.data(), 1, photo.pixels.size(), stdout);
}
"""


def facts(**changes):
    values = {
        "height": 20, "width": 30, "channels": 3, "interpolation": "bilinear",
        "background": (1, 2, 3),
        "max_16bit": 4095, "tolerance": 0.02, "model": "'x'", "export": "tflite-int8",
        "megabytes": "1.00", "sha256": "0" * 64, "golden": 5, "width_of_answer": 3, "alarm": None,
        "place": 0,
        "task": "classification", "numbers": "score of each class", "thresholds": [0.5] * 3,
        "said": "the top class and its score",
    }  # fmt: skip
    return {**values, **changes}


def test_cpp_resizes_as_pillow_does(large_photo, tmp_path):
    starter._render("cpp", tmp_path, facts())
    (tmp_path / "resize.cc").write_text(RESIZE)
    build(tmp_path, "resize", ("resize.cc", "photo_classifier.cc"))
    Image.fromarray(large_photo).save(tmp_path / "photo.ppm")
    sizes = ((32, 40), (70, 33), (150, 202), (7, 101))
    for (height, width), interpolation in product(sizes, ("bilinear", "bicubic")):
        command = [tmp_path / "resize", "photo.ppm", str(height), str(width), interpolation]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
        found = np.frombuffer(done.stdout, np.uint8).reshape(height, width, 3).astype(int)
        method = Image.Resampling[interpolation.upper()]
        expected = np.asarray(Image.fromarray(large_photo).resize((width, height), method))
        assert np.abs(found - expected).max() <= 1
        assert np.mean(found != expected) < 0.01
    (tmp_path / "lies.ppm").write_bytes(b"P6 32000 32000 255\n" + b"\0" * 9)
    done = run([tmp_path / "resize", "lies.ppm", "8", "8", "bilinear"], tmp_path)
    assert done.returncode and "'lies.ppm' ends too early" in done.stderr


def texts(folder):
    """The files of a starter that are text, by relative name."""
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in {".png", ".ppm", ".tflite"}
    }


@pytest.mark.parametrize("language", sorted({*list_starters()} - {"triton"}))
@pytest.mark.parametrize("task", starter._WORDS)
def test_templates_leave_nothing_behind(language, task, tmp_path):
    changes = {"interpolation": "bicubic"} if task == "ordinal" else {}
    alarm = {"lines": [1, 3], "threshold": 0.4}
    starter._render(language, tmp_path, facts(task=task, alarm=alarm, **changes))
    found = texts(tmp_path)
    assert len(found) >= 3 and "README.md" in found
    for name, text in found.items():
        assert not re.search(r"\{[{%#]|\}\}\}|\.j2|Undefined", text), name
        if name.endswith((".kt", ".kts", ".swift", ".cc", ".h", ".py")):
            assert all(text.count(a) == text.count(b) for a, b in ("()", "[]", "{}")), name
    readme = found["README.md"]
    assert "20 × 30 pixels" in readme and "RGB 1, 2, 3" in readme and "4095 meant white" in readme
    assert "scores of lines 1, 3 of `labels.txt` add up to 0.4 or more" in readme


@pytest.mark.parametrize("language", ["kotlin", "swift"])
def test_phone_starters_have_the_models_facts(language, exported_once, tmp_path):
    folder = write_starter(exported_once, language, tmp_path / "app")
    found = texts(folder)
    size = "const val HEIGHT = 32\n" if language == "kotlin" else "static let height = 32\n"
    code = next(text for name, text in found.items() if "PhotoClassifier." in name.split("/")[-1])
    assert (
        size in code
        and "0.06" in code
        and "255, 255, 255"
        in code.replace(" / 255", "")
        .replace("red: ", "")
        .replace("green: ", "")
        .replace("blue: ", "")
    )
    (labels,) = (text for name, text in found.items() if name.endswith("labels.txt"))
    assert labels.splitlines() == ["blue", "green", "rød\\n1"]
    model = next(folder.rglob("model.tflite"))
    assert model.read_bytes() == exported_once.exports()["tflite-int8"].path.read_bytes()
    golden = (model.parent / "golden" / "golden.txt").read_text().splitlines()
    assert len(golden) == 5
    assert [int(np.argmax([float(w) for w in line.split()[1:]])) for line in golden[:3]] == [
        0,
        1,
        2,
    ]


def test_triton_needs_an_onnx_file(exported_once, tmp_path):
    with pytest.raises(DataError, match="no exported file as onnx yet.* --format onnx$"):
        write_starter(exported_once, "triton", tmp_path / "tiles")


def test_wrong_arguments(exported, tmp_path):
    with pytest.raises(ValueError, match=r"Unknown language 'kotlim'. Did you mean 'kotlin'\?"):
        write_starter(exported, "kotlim", tmp_path / "app")
    with pytest.raises(ValueError, match=r"Unknown export 'tflite-int9'"):
        write_starter(exported, "python", tmp_path / "app", export="tflite-int9")
    with pytest.raises(DataError, match="is not empty. Name a new folder"):
        write_starter(exported, "python", tmp_path)
    path = exported.exports()["tflite-int8"].path
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(IntegrityError, match="was changed since"):
        write_starter(exported, "python", tmp_path / "app", export="tflite-int8")
    shutil.rmtree(exported.folder / "exports")
    with pytest.raises(DataError, match="has no exported file yet"):
        write_starter(exported.folder, "python", tmp_path / "app")
    assert not (tmp_path / "app").exists()
