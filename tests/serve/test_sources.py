"""What a predictor can be asked about, in threads, and how its answers are written."""

import csv
import io
import json
import sys

import numpy as np
import pytest
from PIL import Image

from kerasrecipes.cli import main
from kerasrecipes.serve import Predictor
from kerasrecipes.serve.sources import in_order


@pytest.fixture(scope="module")
def photos(tiny, tmp_path_factory):
    """A folder with 5 photos."""
    folder = tmp_path_factory.mktemp("photos")
    for i, photo in enumerate(tiny.colour_photos(5, seed=31)[0]):
        (folder / f"{i}.png").write_bytes(tiny.png(photo))
    return folder


@pytest.fixture(scope="module")
def predictor(exported_once):
    return Predictor(exported_once.folder)


@pytest.fixture(scope="module")
def expected(predictor, photos):
    return [one.scores for one in predictor.predict(photos)]


def test_whatever_holds_a_photo_is_answered_alike(predictor, photos, expected):
    paths = sorted(photos.iterdir())
    pixels = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])
    with open(paths[3], "rb") as file:
        sources = [
            pixels[0],
            pixels[1:2] / 255.0,
            Image.open(paths[2]),
            file,
            paths[4].read_bytes(),
        ]
        found = predictor.predict(sources)
    assert [one.scores for one in found] == expected
    assert [one.path for one in found] == ["", "", "", str(paths[3]), ""]
    assert [one.scores for one in predictor.predict(pixels)] == expected
    assert [one.scores for one in predictor.predict(io.BytesIO(paths[0].read_bytes()))] == expected[
        :1
    ]
    assert [one.scores for one in predictor.predict(str(photos / "[0-2].png"))] == expected[:3]


def test_threads_keep_the_order(predictor, photos, expected):
    assert [one.scores for one in predictor.predict([photos] * 3, workers=3)] == expected * 3
    taken = []

    def many():
        for i in range(1000):
            taken.append(i)
            yield i

    answers = in_order(lambda x: x * x, many(), 2)
    assert [next(answers) for _ in range(3)] == [0, 1, 4] and len(taken) < 10
    answers.close()
    with pytest.raises(ValueError, match="`workers` must be a whole number ≥ 1, received 0"):
        predictor.predict([], workers=0)
    for given in (3, None, {"photo": photos / "0.png"}):
        with pytest.raises(ValueError, match="`photos` must be what holds a photo .* received"):
            predictor.predict(given)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nothing/*.jpg", "Nothing is called like 'nothing/*.jpg'."),
        (np.zeros((1, 4, 4, 7), "uint8"), "must be an array of shape (n, height, width, 3)"),
        (np.full((4, 4), 7.0), "which is neither 0…1 nor 0…255 for sure"),
        (io.StringIO("text"), "An open file gave text. Open it with 'rb'."),
        (3.5, "This is a float, and no path, bytes, array, picture or open file of a photo."),
    ],
)
def test_what_is_no_photo_is_told_and_stops_nothing(predictor, photos, expected, source, message):
    first, second = predictor.predict([source, photos / "0.png"])
    assert message in first.error and first.label == ""
    assert second.scores == expected[0]


def run(monkeypatch, capsys, *words, typed=""):
    monkeypatch.setattr(sys, "argv", ["kerasrecipes", "predict", *map(str, words)])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
    with pytest.raises(SystemExit) as end:
        main()
    return (end.value.code or 0, *capsys.readouterr())


def test_csv_has_a_column_for_each_class(exported_once, photos, monkeypatch, capsys, expected):
    typed = f"{photos / '0.png'}\n\n{photos / 'gone.png'}\n"
    code, out, err = run(
        monkeypatch, capsys, exported_once.folder, "-", "--format", "csv", typed=typed
    )
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 1 and len(rows) == 2
    assert rows[0]["path"] == str(photos / "0.png") and rows[0]["error"] == ""
    for name, score in expected[0].items():
        assert float(rows[0][f"score of {name}"]) == pytest.approx(score, abs=1e-5)
    assert "cannot be read" in rows[1]["error"] and rows[1]["score"] == "0"
    assert "2 in " in err and "per second, 1 of them not usable." in err


def test_lines_and_tables(exported_once, photos, monkeypatch, capsys):
    code, out, _ = run(
        monkeypatch, capsys, exported_once.folder, photos / "*.png", "--format", "jsonl", "--top",
        "1", "--workers", "2",
    )  # fmt: skip
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and len(found) == 5 and all(len(one["scores"]) == 1 for one in found)
    code, out, _ = run(monkeypatch, capsys, exported_once.folder, photos, "--format", "table")
    places = {line.index("%") for line in out.splitlines()}
    assert code == 0 and len(places) == 1
