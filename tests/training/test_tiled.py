"""Whole photos answered by their tiles: fitted on tiles, joined, then a model like any other."""

import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import kerasrecipes as kr
from kerasrecipes import backbones
from kerasrecipes.data.shapes import tile_grid
from kerasrecipes.settings.judging import judge_recipe
from kerasrecipes.training.tiled.fitting import check_tiling
from kerasrecipes.training.tiled.joining import tiling_of
from kerasrecipes.training.tiled.searching import search_tiles
from starters import run
from tiny_backbone import tiny_backbone

SIZE, TILE = (72, 120), (48, 48)
TILING = kr.Tiling(SIZE)
MARKS = {"dent": -75, "spot": 75}


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    """Plates that are good, have a small dark dent or a bright spot, with masks."""
    folder = tmp_path_factory.mktemp("plates")
    lines, rng = ["path,label,mask"], np.random.default_rng(0)
    for i in range(84):
        kind = ("good", "dent", "good", "spot")[i % 4]
        pixels, mask, named = rng.normal(120, 10, (*SIZE, 3)), np.zeros(SIZE, np.uint8), ""
        if kind != "good":
            y, x = rng.integers(0, SIZE[0] - 12), rng.integers(0, SIZE[1] - 12)
            pixels[y : y + 12, x : x + 12] += MARKS[kind]
            mask[y : y + 12, x : x + 12], named = 255, f"m{i}.png"
            Image.fromarray(mask).save(folder / named)
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{i}.png")
        lines.append(f"{i}.png,{kind},{named}")
    (folder / "plates.csv").write_text("\n".join(lines))
    photos = kr.scan_photos(folder / "plates.csv")
    return kr.split_photos(photos, test_fraction=0.25, val_fraction=0.25, near=False)


@pytest.fixture(scope="module")
def of_tiles(sides):
    recipe = kr.ImageClassifier(
        tiny_backbone(),
        schedule=kr.UnfreezeSchedule.full(epochs=8, learning_rate=0.005),
        start="head",
        augment="none",
        views=1,
        batch_size=16,
    )
    recipe.fit(*(kr.cut_tiles(side, SIZE, TILE) for side in sides[:2]), verbose=False)
    return recipe


@pytest.fixture(scope="module")
def joined(of_tiles, sides):
    return kr.join_tiles(of_tiles, *sides[:2], SIZE)


@pytest.fixture(scope="module")
def saved(joined, sides, tmp_path_factory):
    joined.evaluate(sides[2])
    bundle = joined.save(tmp_path_factory.mktemp("models") / "plates")
    bundle.export("tflite", "int8")
    return bundle


def by_hand(recipe, photos, by):
    """Cut with numpy, ask the model of tiles, and join."""
    names, tiles = recipe.labels_, kr.cut_tiles(photos, SIZE, TILE)
    good = names.index("good")
    found = []
    for photo in photos.photos:
        boxes = [one.tile for one in tiles.photos if one.tile.photo is photo]
        whole = np.asarray(Image.open(photo.path), np.float32)
        scores = recipe.model_.predict(np.stack([box.cut(whole) for box in boxes]), verbose=0)
        worst = scores.max(axis=0)
        worst[good] = scores[:, good].min()
        found.append(worst / worst.sum() if by == "max" else scores.mean(axis=0))
    return np.stack(found)


def test_the_answer_is_that_of_the_tiles(of_tiles, joined, sides):
    # Of good photos each tile is known; of others those with a sliver of a defect are left out.
    test = sides[2]
    good = test.select(i for i, one in enumerate(test.photos) if one.label == "good")
    np.testing.assert_allclose(joined.predict(good), by_hand(of_tiles, good, "max"), atol=1e-5)
    mean = kr.join_tiles(of_tiles, *sides[:2], SIZE, by="mean")
    np.testing.assert_allclose(mean.predict(good), by_hand(of_tiles, good, "mean"), atol=1e-5)


def test_defects_that_a_squeezed_photo_hides_are_found(joined, sides):
    result = joined.evaluate(sides[2])
    assert result.accuracy.value > 0.8
    assert joined.report_.optimization[-1]["options"]["tiles"] == [2, 3]


def test_a_file_answers_for_whole_photos_and_tells_where(saved, sides):
    predictor = kr.Predictor(saved)
    assert predictor.input.shape == (*SIZE, 3)
    gaps, hits = [], []
    golden = saved.golden()
    for content, answer in zip(golden.files, golden.answers, strict=True):
        found = predictor.predict(content)[0]
        said = [found.scores[name] for name in saved.class_names]
        gaps.append(np.abs(np.array(said) - answer).max())
    assert max(gaps) < 0.1
    for photo in sides[2].photos:
        found = predictor.predict(photo.path)[0]
        top, left, bottom, right = found.to_dict()["where"]
        assert (bottom - top, right - left) == TILE
        if photo.mask and found.label == photo.label:
            hits.append((np.asarray(Image.open(photo.mask))[top:bottom, left:right] > 0).any())
    assert len(hits) > 5 and np.mean(hits) > 0.9


def test_it_is_operated_and_started_like_any_other(saved, tmp_path):
    found = kr.operate_bundle(saved, ["dent", "spot"], min_recall=0.5)
    assert found.bundle.output.alarm is not None and len(found.bundle.manifest.outputs) == 2
    with pytest.raises(kr.DataError, match="'tile_map', and this program reads files of one"):
        kr.write_starter(saved, "kotlin", tmp_path / "app")
    folder = kr.write_starter(saved, "python", tmp_path / "starter")
    (photo,) = sorted((folder / "golden").glob("0.png"))
    done = run([sys.executable, "classify.py", photo], folder)
    assert done.returncode == 0, done.stderr
    assert any(name in done.stdout for name in saved.class_names)


def test_what_cannot_be_joined(of_tiles, joined, sides):
    train, val, _ = sides
    for changes, message in (
        ({"by": "median"}, "Unknown way to join tiles"),
        ({"good": "fine"}, "`good` must be one of the classes"),
        ({"photo_size": TILE}, "must be larger than a tile"),
    ):
        with pytest.raises(ValueError, match=message):
            kr.join_tiles(of_tiles, train, val, **{"photo_size": SIZE, **changes})
    with pytest.raises(kr.DataError, match="`train` must be whole photos"):
        kr.join_tiles(of_tiles, kr.cut_tiles(train, SIZE, TILE), val, SIZE)
    with pytest.raises(ValueError, match="must name one class, and nothing else"):
        kr.join_tiles(joined, train, val, (200, 300))


@pytest.fixture(scope="module")
def unmarked(sides):
    """The same plates, of which nobody drew the defects."""
    return [side.with_items(replace(one, mask=None) for one in side.photos) for side in sides]


@pytest.fixture(scope="module")
def shown(of_tiles, unmarked):
    judged = judge_recipe(of_tiles)
    return search_tiles(judged, *unmarked[:2], TILING, check_tiling(TILING, judged))


def test_without_masks_the_tile_counts_that_is_least_like_good_ones(sides, unmarked, shown):
    defective = [one for side in sides[:2] for one in side.photos if one.mask]
    assert shown.keys() == {one.key for one in defective}
    hits, grid = [], tile_grid(SIZE, TILE, TILING.overlap)
    for photo in defective:
        top, left, bottom, right = grid.box(shown[photo.key])
        hits.append((np.asarray(Image.open(photo.mask))[top:bottom, left:right] > 0).any())
    assert np.mean(hits) > 0.9  # by chance less than half
    tiles = kr.cut_tiles(unmarked[0], SIZE, TILE, shown=shown)
    assert tiles.counts()["dent"] == sides[0].counts()["dent"]
    wrong = {key: 6 for key in shown}
    with pytest.raises(ValueError, match=r"must be a tile from 0 to 5 of each photo, not 6 of"):
        kr.cut_tiles(unmarked[0], SIZE, TILE, shown=wrong)


def test_masks_tell_where_they_are(of_tiles, sides, unmarked, shown):
    judged = judge_recipe(of_tiles)
    grid = check_tiling(TILING, judged)
    assert search_tiles(judged, *sides[:2], TILING, grid) == {}
    mixed = sides[0].with_items((*sides[0].photos[:20], *unmarked[0].photos[20:]))
    found = search_tiles(judged, mixed, sides[1], TILING, grid)
    expected = {one.key for one in mixed.photos[20:] if one.label != "good"}
    assert found == {key: shown[key] for key in expected} and expected


def test_too_few_good_tiles_are_told_before_training(of_tiles, unmarked):
    train = unmarked[0]
    few = [one for one in train.photos if one.label == "good"][:3]
    train = train.with_items([*few, *(one for one in train.photos if one.label != "good")])
    with pytest.raises(kr.DataError, match="There are 18 tiles of good training photos, and at"):
        kr.fit_tiles(of_tiles, train, unmarked[1], TILING, verbose=False)


def test_another_fit_begins_with_what_it_learned_and_cuts_alike(saved, of_tiles):
    assert tiling_of(saved.report()) == TILING
    recipe = kr.ImageClassifier(tiny_backbone(), weights=saved.folder)
    begun = tiny_backbone().build(None, recipe.weights_file)
    for layer in begun.layers:
        learned = of_tiles.model_.get_layer(layer.name) if layer.weights else layer
        for one, other in zip(layer.get_weights(), learned.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.proof
def test_a_successor_is_trained_on_tiles(sides, saved, tmp_path, monkeypatch):
    root, model = tmp_path / "plates", tmp_path / "model"
    for photo in (one for side in sides for one in side.photos):
        (root / photo.label).mkdir(parents=True, exist_ok=True)
        shutil.copy(photo.path, root / photo.label)
        if photo.path.stem in {"0", "1", "2", "3"}:  # new ones
            turned = Image.open(photo.path).transpose(Image.Transpose.ROTATE_180)
            turned.save(root / photo.label / f"new{photo.path.name}")
    shutil.copytree(saved.folder, model / "1")
    monkeypatch.setitem(backbones._REGISTRY.added, "tiny", tiny_backbone())
    renewed = kr.retrain_model(model, root, verbose=False)
    assert tiling_of(renewed.bundle.report()) == TILING
    assert renewed.bundle.input.shape == (*SIZE, 3)


def test_what_tiles_do_not_go_with(of_tiles, sides):
    for recipe in (kr.DefectDetector(tiny_backbone()), kr.ImageClassifier(head="multi_label")):
        with pytest.raises(ValueError, match="goes with an ImageClassifier that names one class"):
            kr.fit_tiles(recipe, *sides[:2], TILING)
    with pytest.raises(ValueError, match="must be larger than a tile"):
        kr.fit_tiles(of_tiles, *sides[:2], kr.Tiling(TILE))
    with pytest.raises(kr.DataError, match="`train` must be whole photos"):
        kr.fit_tiles(of_tiles, kr.cut_tiles(sides[0], SIZE, TILE), sides[1], TILING)
