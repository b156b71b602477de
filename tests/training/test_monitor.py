"""What the best epoch is told by: the loss, or what is reached at an operating point."""

import pytest

import kerasrecipes as kr
from kerasrecipes.callbacks.early_stopping import EarlyStopping
from kerasrecipes.settings.callback_checks import check_callbacks
from kerasrecipes.settings.judging import judge_recipe

MONITOR = "val_recall_of_stripe_at_false_alarms_0.1"


def recipe(small_recipe, **changes):
    schedule = kr.UnfreezeSchedule.head_only(epochs=4, learning_rate=0.02)
    return small_recipe(schedule=schedule, augment="none", **changes)


def test_the_best_epoch_is_that_of_what_is_monitored(small_recipe, part_sets, monkeypatch):
    from kerasrecipes.engine import stage

    monkeypatch.setattr(stage, "too_few", lambda examples: False)
    train, val, _ = part_sets
    report = recipe(small_recipe, monitor=MONITOR, ema=False).fit(train, val, verbose=False)
    (found,) = report.stages
    values = found.history[MONITOR]
    assert len(values) == found.epochs_run and all(0 <= one <= 1 for one in values)
    # Epochs count from 1; 0 stands for the weights that the stage began with.
    best = max(values)
    assert found.best_epoch in {0, values.index(best) + 1}


def test_a_class_that_is_unknown_is_refused_before_training(small_recipe, part_sets):
    train, val, _ = part_sets
    with pytest.raises(ValueError, match="Unknown class 'strip'. Did you mean 'stripe'"):
        recipe(small_recipe, monitor="val_recall_of_strip").fit(train, val, verbose=False)


def test_names_and_heads_without_such_are_refused(small_recipe):
    with pytest.raises(ValueError, match="`monitor` must be 'val_loss', or"):
        judge_recipe(recipe(small_recipe, monitor="val_recal"))
    with pytest.raises(ValueError, match="needs head='classification' or 'multi_label'"):
        judge_recipe(recipe(small_recipe, monitor=MONITOR, head="ordinal"))


def test_a_callback_that_stops_by_the_same_fits(small_recipe):
    by_recall = recipe(small_recipe, monitor=MONITOR)
    assert check_callbacks([EarlyStopping(MONITOR, mode="max")], by_recall)
    with pytest.raises(ValueError, match=f"those of the best {MONITOR}"):
        check_callbacks([EarlyStopping()], by_recall)
