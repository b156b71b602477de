"""From a fit and its held-out photos to the page with all its pictures."""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import DataError
from kerasrecipes.evaluation.classification import most_confident_mistakes
from kerasrecipes.photos.photo_set import Photo, PhotoFacts, PhotoSet
from kerasrecipes.report.html import render_html
from kerasrecipes.report.plots.pictures import draw_pictures

OUTPUT = OutputSpec(name="scores", task="classification", class_names=("ok", "crack"))


@dataclass
class HeldOut:
    split: str
    examples: PhotoSet
    targets: np.ndarray
    answers: np.ndarray


@pytest.fixture
def held_out(tmp_path, make_scores):
    labels, scores = make_scores(2)
    photos = []
    for i, label in enumerate(labels):
        path = tmp_path / f"{i}.png"
        Image.new("RGB", (32, 24), (i, 2 * i, 90)).save(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        facts = PhotoFacts(digest, path.stat().st_size, 32, 24, "RGB", "PNG", 8, 1, b"")
        photos.append(Photo(path, ["ok", "crack"][label], facts))
    return HeldOut("test", PhotoSet(tuple(photos), ("ok", "crack"), tmp_path), labels, scores)


@pytest.mark.parametrize("image_size", [None, (48, 32)])
def test_all_pictures_are_drawn_and_land_in_the_page(report, held_out, image_size):
    report.recipe["image_size"] = image_size
    pictures = draw_pictures(report, held_out, OUTPUT)
    assert set(pictures) == {"learning_curves", "confusion_matrix", "reliability", "mistakes"}
    for content in pictures.values():
        assert Image.open(io.BytesIO(content)).format == "PNG"
    assert render_html(report, pictures).count("data:image/png;base64,") == 4


def test_a_photo_that_changed_is_noticed(report, held_out):
    worst = most_confident_mistakes(held_out.targets, held_out.answers)[0]
    held_out.examples.photos[worst].path.write_bytes(b"other")
    with pytest.raises(DataError, match="has changed since it was scanned"):
        draw_pictures(report, held_out, OUTPUT)
