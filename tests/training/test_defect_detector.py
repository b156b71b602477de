"""Known defects by name, new ones by novelty: fitted, saved, exported, verified."""

import csv
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
from PIL import Image

import kerasrecipes as kr
from kerasrecipes.export.tflite.layers import read_layers
from kerasrecipes.training import defect_detector
from tiny_backbone import tiny_backbone


def part(kind: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng([len(kind), seed])
    photo = rng.normal(120, 12, (48, 48, 3))
    y, x = rng.integers(4, 32, 2)
    if kind != "good":
        photo[y : y + 10, x : x + 10] += 70 if kind == "light" else -70
    return np.clip(photo, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    """Good parts, parts with a light spot, and in the test parts with a dark one, too."""
    root = tmp_path_factory.mktemp("line")
    for kind, count in (("good", 110), ("light", 24), ("blackened", 12)):
        (root / kind).mkdir()
        for seed in range(count):
            Image.fromarray(part(kind, seed)).save(root / kind / f"{seed:03}.png")
    photos = kr.scan_photos(root)

    def some(**kept):
        chosen = tuple(p for p in photos.photos if int(p.path.stem) in kept.get(p.label, ()))
        names = tuple(name for name in photos.class_names if name in kept)
        return replace(photos, photos=chosen, class_names=names)

    return (
        some(good=range(60), light=range(10)),
        some(good=range(60, 90), light=range(10, 16)),
        some(good=range(90, 110), light=range(16, 24)),
        some(good=range(90, 110), light=range(16, 24), blackened=range(12)),
    )


def detector(**changes) -> kr.DefectDetector:
    settings = {
        "backbone": tiny_backbone(),
        "good": "good",
        "false_alarms": 0.1,
        "schedule": kr.UnfreezeSchedule.head_only(epochs=3),
        "augment": "none",
        "views": 1,
    }
    return kr.DefectDetector(**{**settings, **changes})


def only_good(side: kr.PhotoSet) -> kr.PhotoSet:
    chosen = tuple(one for one in side.photos if one.label == "good")
    return replace(side, photos=chosen, class_names=("good",))


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """Callbacks of the fit, and what they wrote."""
    log, seen = tmp_path_factory.mktemp("log") / "fit.csv", []
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    return [keras.callbacks.CSVLogger(log), kr.OverfitMonitor(), note], log, seen


@pytest.fixture(scope="module")
def fitted(sides, followed):
    recipe = detector()
    recipe.fit(*sides[:2], callbacks=followed[0], verbose=False)
    recipe.evaluate(sides[2])
    return recipe


def test_callbacks_follow_it(fitted, followed):
    _, log, seen = followed
    (stage,) = fitted.report_.stages
    rows = list(csv.DictReader(log.open()))
    assert [float(row["val_loss"]) for row in rows] == pytest.approx(stage.history["val_loss"])
    assert seen == [0, 1, 2] and "head: OverfitMonitor" in fitted.report_.callbacks


@pytest.fixture(scope="module")
def saved(fitted, tmp_path_factory):
    bundle = fitted.save(tmp_path_factory.mktemp("models") / "line")
    bundle.export("tflite")
    return bundle


def test_what_nobody_named_is_new_and_what_is_good_is_not(fitted, sides):
    mixed = sides[3]
    found = fitted.novelty(mixed)
    kinds = np.array([one.label for one in mixed.photos])
    assert found.is_new[kinds == "blackened"].mean() >= 0.9
    assert found.is_new[kinds == "good"].mean() <= 0.3  # 0.1 on average, of 20 photos
    assert found.scores[kinds != "good"].min() > np.median(found.scores[kinds == "good"])
    assert found.maps.shape == (len(mixed), 24, 24)
    # The classifier is as any: three classes are one too many for it.
    assert fitted.labels_ == ("good", "light")


def test_the_map_shows_where(fitted, sides):
    mixed = sides[3]
    chosen = [i for i, one in enumerate(mixed.photos) if one.label == "blackened"]
    maps = fitted.novelty(mixed.select(chosen)).maps
    for one, i in zip(maps, chosen, strict=True):
        rng = np.random.default_rng([len("blackened"), int(mixed.photos[i].path.stem)])
        rng.normal(120, 12, (48, 48, 3))
        y, x = rng.integers(4, 32, 2)
        row, column = np.unravel_index(one.argmax(), one.shape)
        assert y - 6 <= 2 * row <= y + 16 and x - 6 <= 2 * column <= x + 16


def test_a_file_answers_by_name_and_so_does_a_loaded_recipe(fitted, saved, sides):
    assert [one.name for one in saved.manifest.outputs] == ["scores", "novelty", "novelty_map"]
    expected = fitted.novelty(sides[3])
    said = kr.Predictor(saved).predict([one.path for one in sides[3].photos])
    np.testing.assert_allclose([one.novelty for one in said], expected.scores, atol=1e-2)
    assert [one.is_new for one in said] == expected.is_new.tolist()
    assert any(one.said.endswith("NEW") for one in said) and "novelty" in said[0].to_dict()
    record = saved.exports()["tflite-float32"]
    assert kr.Predictor(record.path).predict(sides[3].photos[0].path)[0].novelty is not None
    again = kr.load_recipe(saved)
    assert isinstance(again, kr.DefectDetector) and again.good == "good"
    np.testing.assert_allclose(again.novelty(sides[3]).scores, expected.scores, atol=1e-4)


def test_good_photos_alone_are_enough(sides, tmp_path):
    recipe = detector()
    recipe.fit(only_good(sides[0]), only_good(sides[1]), verbose=False)
    found = recipe.evaluate(sides[3])
    assert recipe.labels_ == ("good", "new") and found.n == len(sides[3])
    recall = {one.name: one.recall.value for one in found.classes}
    assert recall["new"] >= 0.9 and recall["good"] >= 0.7
    scores = recipe.predict(sides[3])
    np.testing.assert_array_equal(scores.argmax(axis=1) == 1, recipe.novelty(sides[3]).is_new)
    bundle = recipe.save(tmp_path / "good")
    assert bundle.export("tflite", photos=sides[3]).verification["passed"]
    again = kr.evaluate_bundle(bundle, sides[3])
    assert {one.name: one.recall.value for one in again.evaluation.classes} == recall


def test_one_call_takes_good_photos_alone(sides, tmp_path, monkeypatch):
    monkeypatch.setattr(defect_detector, "_MOST_PHOTOS", 22)  # in memory, also of those to validate
    for one in only_good(sides[0]).photos:
        (tmp_path / "photos/good").mkdir(parents=True, exist_ok=True)
        shutil.copy(one.path, tmp_path / "photos/good")
    how = {"backbone": tiny_backbone(), "augment": "none", "recipe_type": "DefectDetector"}
    how |= {"val_fraction": 0.5, "test_fraction": 0.1}
    chosen = tmp_path / "photos", tmp_path / "line"
    with pytest.raises(ValueError, match="`run_folder` would have no effect: of good photos alone"):
        kr.fine_tune_images(*chosen, **how, false_alarms=0.1, run_folder=tmp_path / "run")
    done = kr.fine_tune_images(*chosen, **how, false_alarms=0.1, verbose=False)
    assert done.bundle.class_names == ("good", "new")
    with pytest.raises(ValueError, match="Unknown recipe type 'Detector'. .*DefectDetector"):
        kr.fine_tune_images(*chosen, recipe_type="Detector")
    (tmp_path / "photos/light").mkdir()
    shutil.copy(sides[0].photos[-1].path, tmp_path / "photos/light")
    with pytest.raises(kr.DataError, match="'light' \\(1\\). Add photos, or pass drop_small_cl"):
        kr.fine_tune_images(*chosen, **how)


def test_a_page_says_what_is_set_aside(saved, sides, tmp_path):
    found = kr.summarise_defects(saved, sides[3])
    assert {one.name: one.photos for one in found.kinds} == {"light": 8, "blackened": 12}
    assert found.good.photos == 20 and found.defects.photos == 20
    by_name = {one.name: one for one in found.kinds}
    assert np.isnan(by_name["blackened"].called_so.value)  # it has no name for them
    assert by_name["blackened"].new.value >= 0.9 <= by_name["blackened"].rejected.value
    assert found.defects.rejected.low < found.defects.rejected.value
    assert found.to_dict()["kinds"][0]["rejected"][0] == found.kinds[0].rejected.value
    assert found.headline() in str(found) and "too few to rely on" in str(found)
    page = found.write(tmp_path / "summary.html").read_text(encoding="utf-8")
    assert "Of 20 photos with defects, tflite-float32 sets aside" in page
    assert "blackened" in page and saved.exports()["tflite-float32"].sha256 in page
    assert "http://" not in page and "kerasrecipes drift" in page


def test_a_page_is_of_a_detector(tiny, sides, tmp_path):
    other = tiny.write_bundle(tmp_path / "other", tiny.untrained_model())
    with pytest.raises(kr.DataError, match="which does not say what is good. Train a Def"):
        kr.summarise_defects(other, sides[3])


def test_in_8_bits_novelty_is_what_it_was(sides, tmp_path):
    """Its distances have squares and logarithms, which stay in float."""
    import keras

    def graph(photo):
        from keras import layers

        x = layers.Rescaling(1 / 128, -127 / 128, name="scale")(photo)
        for i in range(6):
            options = {"padding": "same", "activation": "relu", "name": f"block{i}_conv"}
            x = layers.Conv2D(16, 3, 2 if i in (0, 3) else 1, **options)(x)
        return x

    blocks = tuple(f"block{i}_.+" for i in range(6))
    recipe = detector(backbone=tiny_backbone(build_graph=graph, blocks=blocks))
    recipe.fit(only_good(sides[0]), only_good(sides[1]), verbose=False)
    recipe.evaluate(sides[3])
    bundle = recipe.save(tmp_path / "good")
    keras.utils.clear_session()  # as in a new process, which counts names of operations from 0
    record = bundle.export("tflite", "int8")
    layers = {one.name: one.weights for one in read_layers(record.path.read_bytes())}
    assert {layers[name] for name in layers if name.startswith("novelty")} == {"float32"}
    assert [layers[name] for name in layers if "block5" in name] == ["int8"]
    good = only_good(sides[3])
    said = kr.Predictor(record.path).predict([one.path for one in good.photos])
    off = np.abs([one.novelty for one in said] - recipe.novelty(good).scores)
    assert np.median(off) < 0.25


def never_begun() -> kr.UnfreezeSchedule:
    def fail(epoch, logs):
        pytest.fail("It was trained.")

    callback = keras.callbacks.LambdaCallback(on_epoch_begin=fail)
    return kr.UnfreezeSchedule((kr.Stage("head", 1, 1e-2, callbacks=[callback]),))


def test_what_cannot_be_kept_is_refused_before_training(sides):
    with pytest.raises(kr.DataError, match="Did you mean 'good'"):
        detector(good="god").fit(*sides[:2])
    with pytest.raises(kr.DataError, match="cannot be kept with 30 good parts"):
        detector(false_alarms=0.02).fit(*sides[:2])
    few = sides[0].select([*range(12), *range(60, 70)])
    with pytest.raises(kr.DataError, match="learned from 12 of 12 parts. Pass at"):
        detector(schedule=never_begun()).fit(few, sides[1])
    with pytest.raises(ValueError, match="`callbacks` would have no effect: of good photos alone"):
        detector(schedule=never_begun()).fit(*map(only_good, sides[:2]))
    with pytest.raises(ValueError, match="`false_alarms` must be between"):
        detector(false_alarms=0).fit(*sides[:2])
    with pytest.raises(kr.NotFittedError):
        detector().novelty(sides[2])


def test_false_alarms_are_as_rare_as_promised():
    from kerasrecipes.training.defect_detector import threshold_of

    rng, rates = np.random.default_rng(0), []
    for _ in range(1000):
        val, later = rng.normal(size=50), rng.normal(size=200)
        rates.append(np.mean(later >= threshold_of(val, None, 0.05, 0)[0]))
    # floor(51 * 0.05) / 51 on average.
    assert np.mean(rates) == pytest.approx(2 / 51, abs=0.003)
