"""Heatmaps of saved models: pictures, masks, and the pointing game."""

import csv
import io

import numpy as np
import pytest
from PIL import Image

import kerasrecipes as kr
from spotting import SIDE, spotted, spotter


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    """A table of photos with spots, with masks of these, and one photo without."""
    root = tmp_path_factory.mktemp("masked")
    places = np.random.default_rng(0).integers(1, SIDE - 5, (12, 2))
    with (root / "photos.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "group", "mask"])
        for i, (row, column) in enumerate(places):
            mask = np.zeros((SIDE, SIDE), np.uint8)
            # The last mask is at a wrong place.
            at = row if i < 11 else (row + 16) % SIDE
            mask[max(0, at - 1) : at + 4, column - 1 : column + 4] = 255
            Image.fromarray(spotted(row, column, 255 * (i % 2))).save(root / f"{i}.png")
            Image.fromarray(mask).save(root / f"{i}_mask.png")
            rows.writerow([f"{i}.png", "dark bright".split()[i % 2], i // 2, f"{i}_mask.png"])
        Image.fromarray(spotted(1, 1, 127)).save(root / "none.png")
        rows.writerow(["none.png", "dark", 90, ""])
    return root


def test_hits_are_counted_beside_chance(masked):
    photos = kr.scan_photos(
        masked / "photos.csv", for_training=False, classes="bright,dark".split(",")
    )
    assert photos.photos[0].mask == masked / "0_mask.png" and photos.photos[-1].mask is None
    game = kr.Explainer(spotter()).point(photos)
    assert game.n == 12 and game.hits.value == pytest.approx(11 / 12)
    assert game.hits.low < 11 / 12 < game.hits.high
    assert game.chance == pytest.approx(25 / SIDE**2, rel=0.1)
    assert "12 photos with a mask" in str(game)
    told = game.to_dict()
    assert told["by_class"]["dark"][0] == 1 and told["by_class"]["bright"][0] == pytest.approx(
        5 / 6
    )


def test_a_mask_that_is_missing_or_of_another_size_is_told(masked, tmp_path):
    for name in ("0.png", "0_mask.png"):
        (tmp_path / name).write_bytes((masked / name).read_bytes())
    (tmp_path / "a.csv").write_text("path,label,mask\n0.png,dot,gone.png\n")
    with pytest.raises(kr.DataError, match="row 2 names 'gone.png', which does not exist"):
        kr.scan_photos(tmp_path / "a.csv", for_training=False)
    Image.new("L", (9, 9)).save(tmp_path / "0_mask.png")
    (tmp_path / "a.csv").write_text("path,label,mask\n0.png,dot,0_mask.png\n")
    explainer = kr.Explainer(spotter())
    with pytest.raises(kr.DataError, match="9 × 9 pixels, and its photo 32 × 32"):
        explainer.point(kr.scan_photos(tmp_path / "a.csv", for_training=False))
    (tmp_path / "a.csv").write_text("path,label\n0.png,dot\n")
    with pytest.raises(kr.DataError, match="No photo has a mask with a mark"):
        explainer.point(kr.scan_photos(tmp_path / "a.csv", for_training=False))


def test_a_bundle_a_recipe_and_a_folder_draw_the_same(small_saved, small_fitted, masked):
    photo = masked / "0.png"
    found = small_saved.heatmap(photo, of="dot")
    assert found.label == "dot" and 0 <= found.score <= 1
    for model in (small_fitted, small_saved.folder):
        np.testing.assert_allclose(kr.heatmap(model, photo, "dot").values, found.values, atol=1e-4)
    with pytest.raises(ValueError, match="Unknown class 'dott'. Did you mean 'dot'?"):
        small_saved.heatmap(photo, of="dott")
    drawn = Image.open(io.BytesIO(found.png()))
    assert drawn.size == (2 * 24 + 8, 24)
    left, right = np.asarray(drawn)[:, :24], np.asarray(drawn)[:, 32:]
    np.testing.assert_array_equal(left, found.photo)
    colour = np.ptp(right.astype(int), axis=2)
    assert colour[found.peak] > 80 and colour[found.values < 0.01].max(initial=0) < 10
