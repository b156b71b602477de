"""The sheet shows what training sees, and shows it whatever the files are called."""

import io
import shutil
import warnings
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from kerasrecipes import Augmentation, SyntheticDefects, scan_photos, to_dataset
from kerasrecipes.errors import DataError
from kerasrecipes.report.plots.contact_sheet import draw_augmentation
from kerasrecipes.report.plots.style import png

SIZE = (48, 48)


@pytest.fixture(scope="module")
def photos(part_photos):
    """Three photos of each class."""
    return scan_photos(part_photos).select([0, 1, 2, 16, 17, 18, 32, 33, 34])


def pictures(figure):
    """Return the arrays on the sheet by row and column."""
    cells = [axes.images[0].get_array() for axes in figure.axes]
    rows = figure.axes[0].get_gridspec().nrows
    return np.reshape(np.stack(cells), (rows, -1, *cells[0].shape))


def texts(figure):
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_rows_are_the_photo_and_the_views_that_training_draws(photos):
    figure = draw_augmentation(photos, "factory", views=2, count=9, image_size=SIZE)
    shown = pictures(figure)
    assert shown.shape == (9, 3, *SIZE, 3)
    # In epoch v, training without a limit of views shows view v of every photo.
    epochs = to_dataset(photos, SIZE, augment="factory", epochs=range(3), batch_size=9)
    for view, (trained, _) in enumerate(epochs):
        np.testing.assert_array_equal(shown[:, view], np.rint(trained).astype(np.uint8))


def test_defects_that_training_draws_have_rows_of_their_own(photos):
    synthetic = SyntheticDefects({"dot": "blob"}, share=0.3, good="plain")
    figure = draw_augmentation(
        photos, "none", synthetic=synthetic, views=1, count=4, image_size=SIZE
    )
    assert {"dot", "dot (drawn)", "plain", "stripe"} <= set(texts(figure))


def test_the_seed_chooses_photos_and_views(photos):
    one, again, other = (
        pictures(draw_augmentation(photos, "light", views=2, count=4, image_size=SIZE, seed=s))
        for s in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (3, 3), (7, 7), (60, 9)])
def test_classes_are_shown_evenly(photos, count, rows):
    figure = draw_augmentation(photos, "augmix", views=1, count=count, image_size=(32, 32))
    shown = [texts(figure).count(name) for name in photos.class_names]
    assert sum(shown) == rows == len(pictures(figure))
    assert max(shown) - min(shown) <= 1
    assert {"the photo", "view 1", "What training sees with “augmix”"} <= set(texts(figure))


def test_hostile_names_and_odd_sizes_are_drawn(part_photos, tmp_path):
    for name in ("$\\frac{a$", "日本 😀", "a\nb " + "and on " * 20):
        (tmp_path / name).mkdir()
        for i in range(2):
            source = part_photos / "dot" / f"{i:02}.png"
            shutil.copy(source, tmp_path / name / f"$_{i}\n.png")
    figure = draw_augmentation(
        scan_photos(tmp_path), Augmentation(flip_vertical=True), views=2, image_size=(16, 96)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = Image.open(io.BytesIO(png(figure)))
    assert picture.format == "PNG" and np.asarray(picture.convert("L")).std() > 1
    assert "What training sees with an augmentation of one's own" in texts(figure)
    assert all("\n" not in text and len(text) < 70 for text in texts(figure))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"augment": "facory"}, "Unknown augmentation 'facory'. Did you mean 'factory'"),
        ({"augment": "none"}, "`augment` changes nothing, so there is nothing to show"),
        ({"views": 0}, "`views` must be a whole number of at least 1, not 0"),
        ({"count": 2.5}, "`count` must be a whole number of at least 1, not 2.5"),
        ({"count": 500}, "500 photos with 8 views are more than 1000 pictures"),
        ({"image_size": (0, 5)}, "`image_size` must be"),
    ],
)
def test_what_cannot_be_shown_is_an_error(photos, settings, message):
    with pytest.raises(ValueError, match=message):
        draw_augmentation(photos, **settings)


def test_photos_that_are_gone_or_none_are_errors(photos, tmp_path):
    with pytest.raises(DataError, match="There are no photos to show"):
        draw_augmentation(photos.select([]))
    gone = replace(photos.photos[0], path=tmp_path / "gone.png")
    with pytest.raises(DataError, match=r"gone.png': cannot be read"):
        draw_augmentation(replace(photos, photos=(gone,)))
