"""Large photos cut into tiles: where these lie, and what is known of each."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import kerasrecipes as kr
from kerasrecipes.data.shapes import even_grid, tile_grid
from kerasrecipes.photos.reader import PhotoReader


@pytest.fixture(scope="module")
def plates(tmp_path_factory):
    """A good plate, and one with a dent of 12 by 12 pixels at its lower right corner."""
    folder = tmp_path_factory.mktemp("plates")
    pixels = np.random.default_rng(0).integers(90, 130, (100, 150, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "good.png")
    pixels[80:92, 130:142] = 20
    Image.fromarray(pixels).save(folder / "dent.png")
    mask = np.zeros((100, 150), np.uint8)
    mask[80:92, 130:142] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    lines = ["path,label,mask,group", "good.png,good,,a", "dent.png,dent,mask.png,"]
    (folder / "plates.csv").write_text("\n".join(lines))
    return kr.scan_photos(folder / "plates.csv", for_training=False)


@pytest.mark.parametrize("whole", [(3000, 4000), (224, 225), (300, 500), (1000, 224)])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5])
def test_tiles_cover_the_whole_and_none_leaves_it(whole, overlap):
    grid = tile_grid(whole, (224, 224), overlap)
    for starts, long in ((grid.tops, whole[0]), (grid.lefts, whole[1])):
        assert starts[0] == 0 and starts[-1] == long - 224
        steps = np.diff(starts)
        assert not len(steps) or 0 < steps.max() <= 224 * (1 - overlap) + 1
    assert even_grid(whole, (224, 224), grid.shape) == grid
    last = grid.shape[0] * grid.shape[1] - 1
    assert grid.box(last) == (whole[0] - 224, whole[1] - 224, *whole)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((48, 48), (48, 48), 0.1), "must be larger than a tile"),
        (((48, 40), (48, 48), 0.1), "must be larger than a tile"),
        ((48, (48, 48), 0.1), "`photo_size` must be"),
        (((99, 99), (0, 48), 0.1), "`tile_size` must be"),
        (((99, 99), (48, 48), 1.0), "`overlap` must be"),
    ],
)
def test_tiles_that_cannot_be_cut(arguments, message):
    with pytest.raises(ValueError, match=message):
        tile_grid(*arguments)


def test_masks_say_what_a_tile_shows(plates):
    tiles = kr.cut_tiles(plates, (100, 150), (48, 48), overlap=0.5)
    dents = [one.tile for one in tiles.photos if one.label == "dent"]
    assert dents and all(one.cut(_marked(plates)).any() for one in dents)
    for one in tiles.photos:
        inside = one.tile.cut(_marked(plates)).sum() if one.tile.photo.label == "dent" else 0
        assert (one.label == "dent") == (inside >= 36)  # a quarter of the dent
        assert inside in (0, *range(36, 145))  # with less it would be neither
    assert {one.group for one in tiles.photos if one.tile.photo.label == "good"} == {"a"}
    assert len({one.group for one in tiles.photos}) == 2
    assert set(tiles.wholes) == {one.key for one in plates.photos}


def _marked(plates):
    (photo,) = (one for one in plates.photos if one.mask)
    return np.asarray(Image.open(photo.mask)) > 127


def test_pixels_are_those_of_the_whole_and_a_file_has_the_same(plates):
    tiles = kr.cut_tiles(plates, (100, 150), (48, 48))
    reader, last = PhotoReader(tiles, (48, 48)), len(tiles) - 1
    tile = tiles.photos[last].tile
    whole = np.asarray(Image.open(tile.photo.path))
    np.testing.assert_array_equal(reader.read(last, 0), tile.cut(whole))
    ending, content = tiles.file_of(last)
    np.testing.assert_array_equal(kr.photos.decode_photo(content, (48, 48)), tile.cut(whole))
    assert ending == "png" and len(set(reader.identity()[0])) == len(tiles)
    with pytest.raises(kr.DataError, match=r"have 48 × 48 pixels, .* pass image_size=\(48, 48\)"):
        PhotoReader(tiles, (64, 64)).read(0, 0)


def test_leaks_are_looked_for_among_whole_photos(plates):
    one, other = (kr.cut_tiles(plates.select([i]), (100, 150), (48, 48)) for i in (0, 0))
    assert "duplicates-across-splits" in {finding.code for finding in one.check(other).leaks}
    assert one.near_duplicates() == []


def test_what_nothing_is_known_of_is_refused(plates):
    unmarked = replace(plates, photos=tuple(replace(p, mask=None) for p in plates.photos))
    with pytest.raises(kr.DataError, match="1 defective photos have no mask"):
        kr.cut_tiles(unmarked, (100, 150), (48, 48))
    with pytest.raises(kr.DataError, match="`good='fine'` is none of the classes"):
        kr.cut_tiles(plates, (100, 150), (48, 48), good="fine")


def test_people_see_tiles_in_any_size(plates):
    tiles = kr.cut_tiles(plates.select([0]), (100, 150), (48, 48))
    (large, *_), (small, *_) = (list(tiles.shown((side, side, 3))) for side in (48, 24))
    np.testing.assert_array_equal(large, tiles.pixels(0, (48, 48)))
    assert small.shape == (24, 24, 3) and abs(float(small.mean()) - large.mean()) < 2
