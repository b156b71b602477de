"""Whatever a model starts from, it is not measured on photos that this has learned from."""

import keras
import pytest

import kerasrecipes as kr
from kerasrecipes import backbones

SIDE = (32, 32)


def recipe_of(spec, **settings):
    schedule = kr.UnfreezeSchedule.head_only(1)
    settings = {"views": 1, "augment": "none", "batch_size": 8, "start": "head", **settings}
    return kr.ImageClassifier(spec, image_size=SIDE, schedule=schedule, **settings)


@pytest.fixture(scope="module")
def giver(part_sets, tiny_spec):
    recipe = recipe_of(tiny_spec())
    recipe.fit(*part_sets[:2], verbose=False)
    return recipe


@pytest.fixture(scope="module")
def saved(giver, tmp_path_factory):
    return giver.save(tmp_path_factory.mktemp("models") / "parts")


def test_a_saved_models_folder_gives_its_weights(giver, saved, part_sets, tiny_spec):
    train, val, test = part_sets
    recipe = recipe_of(tiny_spec(), weights=saved.folder.parent)
    recipe.fit(test, val, verbose=False)
    for one, other in zip(
        recipe.model_.layers[2].get_weights(), giver.model_.layers[2].get_weights(), strict=True
    ):
        assert (one == other).all()
    with pytest.raises(kr.DataError, match="were used in the fit"):
        recipe.evaluate(train)
    (parent,) = recipe.fitted_.parents  # whatever the latest version is when it is saved
    assert parent.sha256 == saved.sha256 and "weights" in parent.how


def test_a_model_in_memory_is_known_by_what_it_saw(giver, saved, part_sets):
    train, val, test = part_sets
    read = saved.load_model()
    cut = keras.Model(giver.model_.input, giver.model_.get_layer("pool").output)
    for model in (giver.model_, read, cut, keras.Sequential([cut, keras.layers.Dense(3)])):
        spec = kr.BackboneSpec.from_model(model, scaling="none")
        assert spec.seen == giver.seen_
    with pytest.raises(kr.DataError, match="were used in the fit"):
        recipe_of(spec).probe(test, train)
    adopted = kr.adopt_model(giver.model_, test, val, scaling="none")
    with pytest.raises(kr.DataError, match="were used in the fit"):
        adopted.evaluate(train)
    assert not kr.BackboneSpec.from_model(
        keras.models.clone_model(giver.model_), scaling="none"
    ).seen


def test_a_loaded_recipe_says_that_it_begins_again(
    saved, part_sets, tiny_spec, monkeypatch, capsys
):
    def stop(*_):
        raise RuntimeError("enough")

    monkeypatch.setitem(backbones._REGISTRY.added, "tiny", tiny_spec())
    monkeypatch.setattr("kerasrecipes.training.linear.start.fit_recipe", stop)
    with pytest.raises(RuntimeError, match="enough"):
        kr.load_recipe(saved.folder).fit(*part_sets[:2])
    told = capsys.readouterr().err
    assert "starts again from weights='default', not from the model that was saved." in told
    assert "pass its folder as `weights`" in told
