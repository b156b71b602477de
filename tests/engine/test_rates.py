"""Rates that a stage searches: on its own data, without a trace, once in a run, and told."""

import json

import keras
import numpy as np
import pytest

from kerasrecipes import Stage, UnfreezeSchedule
from kerasrecipes.engine import rates as stage_rates, stage as fit_stage
from kerasrecipes.engine.rates import RateSearch, StageRates, rates_found, search_rates


@pytest.fixture
def fit(part_sets, tiny_spec, quick_recipe):
    def run(schedule, callbacks=(), run_folder=None, resume=False):
        recipe = quick_recipe(backbone=tiny_spec(), schedule=UnfreezeSchedule(schedule))
        recipe.fit(*part_sets[:2], callbacks=callbacks, run_folder=run_folder, resume=resume)
        return recipe

    return run


class Cut(keras.callbacks.Callback):
    """Ends a run in its second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise InterruptedError


def same(one, other):
    for a, b in zip(one.model_.get_weights(), other.model_.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_searched_rate_is_as_good_as_a_given_one_to_the_last_bit(
    fit, tmp_path, capsys, monkeypatch
):
    recipe = fit([Stage("head", 3, "auto")], run_folder=tmp_path / "whole")
    said = capsys.readouterr().err
    (stage,) = recipe.report_.stages
    search = recipe.report_.callbacks["head: find_learning_rate"]
    assert search["all"]["learning_rate"] == stage.learning_rate
    assert search["steps"] == 300 and search["seconds"] > 0
    assert "All that trains: Learning rate" in said and "The search took 300 steps" in said
    assert (tmp_path / "whole" / "learning-rate-1.png").read_bytes().startswith(b"\x89PNG")
    same(recipe, fit([Stage("head", 3, stage.learning_rate)]))

    with pytest.raises(InterruptedError):
        fit([Stage("head", 3, "auto")], [Cut()], tmp_path / "cut")

    def again(*_):
        raise AssertionError("It was searched before the break.")

    monkeypatch.setattr(fit_stage, "search_rates", again)
    resumed = fit([Stage("head", 3, "auto")], (), tmp_path / "cut", resume=True)
    assert resumed.report_.stages[0].learning_rate == stage.learning_rate
    same(recipe, resumed)


def test_head_and_blocks_are_searched_apart_where_rates_fall(fit, monkeypatch):
    monkeypatch.setattr(stage_rates, "STEPS", 20)
    recipe = fit([Stage("all", 1, "auto", open_fraction=1.0, layer_decay=0.5)])
    search = recipe.report_.callbacks["all: find_learning_rate"]
    assert set(search) == {"head", "blocks", "steps", "seconds"}
    assert recipe.report_.stages[0].learning_rate == search["head"]["learning_rate"]
    assert rates_found(json.loads(json.dumps(search))) == StageRates(
        search["head"]["learning_rate"], search["blocks"]["learning_rate"]
    )


def test_rates_are_searched_in_the_precision_of_the_training(
    part_sets, tiny_spec, quick_recipe, monkeypatch
):
    seen = []

    def search(trained, data, stage, head):
        seen.append((trained.get_layer("stem_conv").compute_dtype, type(trained.optimizer)))
        return search_rates(trained, data, stage, head)

    monkeypatch.setattr(stage_rates, "STEPS", 20)
    monkeypatch.setattr(fit_stage, "search_rates", search)
    schedule = UnfreezeSchedule([Stage("all", 1, "auto", open_fraction=1.0)])
    recipe = quick_recipe(backbone=tiny_spec(), schedule=schedule, precision="mixed_float16")
    recipe.fit(*part_sets[:2], verbose=False)
    assert seen == [("float16", keras.optimizers.LossScaleOptimizer)]
    assert recipe.model_.get_layer("stem_conv").compute_dtype == "float32"


@pytest.mark.parametrize(
    ("stage", "rates"),
    [
        (Stage("head", 1, "auto"), StageRates(1e-3, 1e-3)),
        (Stage("top", 1, "auto", 0.5), StageRates(1e-5, 1e-5)),
        (Stage("top", 1, "auto", 0.5, layer_decay=0.5), StageRates(1e-3, 1e-5)),
    ],
)
def test_where_the_sweeps_do_not_tell_it_says_so(stage, rates, monkeypatch):
    monkeypatch.setattr(stage_rates, "STEPS", 20)
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(2, name="head")]
    )
    model.compile("adam", lambda y, scores: keras.ops.mean(0.0 * scores, axis=-1))
    import tensorflow as tf

    data = tf.data.Dataset.from_tensors((np.ones((4, 3)), np.ones((4, 2))))
    found = search_rates(model, data, stage, model.get_layer("head").weights)
    assert "(default)" in str(found)
    assert rates_found(found.to_dict()) == rates


def test_given_rates_are_those_of_before():
    assert StageRates.of(Stage("top", 1, 1e-3, 0.5, layer_decay=0.5)) == StageRates(1e-3, 5e-4)
    assert RateSearch.steps == 300


def test_auto_is_the_only_word():
    for wrong in ("fast", "0.1"):
        with pytest.raises(ValueError, match=f"between 0 and 10, or 'auto', not '{wrong}'"):
            Stage("head", 1, wrong)
    schedule = UnfreezeSchedule.gradual(learning_rate="auto", head_learning_rate="auto")
    stages = json.loads(json.dumps(schedule.to_dict()))
    assert UnfreezeSchedule.from_dict(stages) == schedule
