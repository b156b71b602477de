"""A search over heads: the default first, the test unseen, and all of it kept."""

import json
from dataclasses import replace

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.settings.written.recipe_file import RecipeFile
from kerasrecipes.training.linear import folds
from kerasrecipes.training.linear.depths import DepthFeatures
from kerasrecipes.tuning import heads, space as spaces, tuning
from kerasrecipes.tuning.heads import HeadBench
from kerasrecipes.tuning.space import candidates_of, checked_space, head_space, in_words

SHARES = {"test_fraction": 0.25, "val_fraction": 0.25}


@pytest.fixture(scope="module")
def recipe(tiny_spec):
    return kr.ImageClassifier(tiny_spec(), seed=3)


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Features that need no backbone, and two candidates."""

    def features(backbone, spec, wish, *sets, pooling):
        rng = np.random.default_rng(0)
        middles = rng.normal(0, 0.7, (3, 8))
        places = [[side.class_names.index(one.label) for one in side.items] for side in sets]
        rows = (middles[one] + rng.normal(0, 1, (len(one), 8)) for one in places)
        return [DepthFeatures(one, (4, 4), (1, 2)) for one in rows]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heads, "depth_features", features)
        patch.setattr(folds, "MOST_REPEATS", 1)
        patch.setattr(spaces, "DEPTHS", (1,))
        patch.setattr(tuning, "head_space", lambda *_: {"depths": (None, 1)})
        yield


@pytest.fixture(scope="module")
def search(recipe, part_photos, tmp_path_factory, quick):
    """A finished search, kept in a folder."""
    folder = tmp_path_factory.mktemp("search") / "run"
    found = kr.tune(
        part_photos, recipe=recipe, minutes=5, run_folder=folder, verbose=False, **SHARES
    )
    return found, folder


def test_the_recipe_as_it_is_comes_first_and_stays_unless_beaten(search, recipe):
    found, _ = search
    assert found.rows[0].settings == {} and found.rows[0].better == 0
    assert len(found.rows) == found.planned > 1 and not found.interrupted
    changed = found.rows[found.picked.chosen].settings
    assert found.settings == changed
    assert found.recipe.get_config() == replace(recipe, **changed).get_config()


def test_the_test_is_that_of_a_fit_and_not_judged_by(search, part_photos):
    found, _ = search
    *_, test = kr.split_photos(kr.scan_photos(part_photos), seed=3, **SHARES)
    assert found.test.after.n == len(test) == 12
    assert found.examples == (36, None)
    assert "12 photos that the search never saw" in str(found)


def test_the_folder_has_a_recipe_to_train_and_a_page(search):
    found, folder = search
    file = RecipeFile(kr.ImageClassifier.table)
    file.read(folder / "recipe.toml")
    assert file.settings()["depths"] == found.recipe.depths
    assert file.split()["test_fraction"] == 0.25
    page = (folder / "report.html").read_text()
    assert found.verdict.split(":")[0] in page and page.count("data:image/png") >= 1
    json.dumps(found.to_dict(), allow_nan=False)


def test_it_goes_on_without_measuring_again(search, recipe, part_photos, monkeypatch):
    found, folder = search
    how = {"recipe": recipe, "minutes": 5, "run_folder": folder, "verbose": False, **SHARES}
    monkeypatch.setattr(HeadBench, "choice", lambda *_: pytest.fail("it was measured"))
    again = kr.tune(part_photos, **how)
    assert again.rows == found.rows and again.test.cost == pytest.approx(found.test.cost, rel=1e-3)
    with pytest.raises(kr.DataError, match="holds a search with other measure"):
        kr.tune(part_photos, measure="accuracy", **how)


def test_ctrl_c_keeps_what_was_measured(recipe, part_photos, monkeypatch):
    whole = HeadBench.choice

    def interrupted(bench, settings):
        if settings:
            raise KeyboardInterrupt
        return whole(bench, settings)

    monkeypatch.setattr(HeadBench, "choice", interrupted)
    found = kr.tune(part_photos, recipe=recipe, verbose=False, test_fraction=0)
    assert found.interrupted and len(found.rows) == 1 and found.test is None
    assert "nothing else was measured" in found.verdict
    monkeypatch.setattr(tuning.Trials, "run", lambda *_: None)
    with pytest.raises(kr.DataError, match="over before the recipe as it is was measured"):
        kr.tune(part_photos, recipe=recipe, verbose=False)


def test_candidates_can_all_be_fitted_and_differ(recipe, part_photos):
    photos = kr.scan_photos(part_photos)
    space = head_space(recipe, photos)
    assert set(space) == {"depths", "pooling"}  # its classes are as frequent
    one_pooling = {"depths": space["depths"]}
    assert [in_words(one) for one in candidates_of(recipe, one_pooling)] == [
        "as it is", "depths=1"
    ]  # fmt: skip
    assert len(candidates_of(recipe, space)) == 6
    rare = photos.select([*range(16), *range(16, 20), *range(32, 48)])
    several = candidates_of(recipe, head_space(recipe, rare))
    assert {"loss": "balanced_softmax"} in several and {"class_weights": None} in several
    # That loss weighs the classes itself.
    assert not any({"loss", "class_weights"} <= set(one) for one in several)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"depth": [1]}, "Unknown setting 'depth'. Did you mean 'depths'"),
        ({"dropout": [0.1]}, "to try values of `dropout` would have no effect"),
        ({"depths": 3}, "the values of `depths` must be a list of at least one, not 3"),
        ({"depths": [7]}, "`depths=7` is not possible"),
    ],
)
def test_what_cannot_be_tried_is_refused(recipe, space, message):
    from kerasrecipes.tuning.space import OF_HEAD

    with pytest.raises(ValueError, match=message):
        checked_space(recipe, space, OF_HEAD)


def test_what_has_no_probe_is_refused(tiny_spec, part_photos):
    trained = kr.ImageClassifier(tiny_spec(), start="head")
    with pytest.raises(kr.NoEffectError, match="does not start from a probe"):
        kr.tune(part_photos, recipe=trained, verbose=False)
    with pytest.raises(ValueError, match="`minutes` must be above 0"):
        kr.tune(part_photos, minutes=0)
