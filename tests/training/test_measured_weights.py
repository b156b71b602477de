"""The weights that were measured are the weights that are returned, whatever chose them."""

import keras
import numpy as np
import pytest

from kerasrecipes import Stage, UnfreezeSchedule


@pytest.mark.parametrize("ema", [True, False])
@pytest.mark.parametrize("patience", [1, 9])
def test_under_every_average_stop_and_stage(part_sets, tiny_spec, quick_recipe, ema, patience):
    train, val, _ = part_sets
    # A rate so high that the second stage has bad epochs, and ends early with little patience.
    stages = (Stage("head", 3, 1e-2), Stage("all", 4, 0.2, 1.0, warmup_fraction=0.0))
    recipe = quick_recipe(
        backbone=tiny_spec(), schedule=UnfreezeSchedule(stages), ema=ema, patience=patience
    )
    report = recipe.fit(train, val, verbose=False)
    best = [
        stage.history["val_loss"][stage.best_epoch - 1]
        for stage in report.stages
        if stage.best_epoch
    ]
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    found = float(loss(np.eye(3)[val.labels], recipe.predict(val)))
    assert found == pytest.approx(best[-1], rel=1e-3)
    if patience == 1:
        assert report.stages[-1].epochs_run < 4
