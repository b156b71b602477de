"""The weights that were measured are the weights that are returned, saved and exported.

Plain Keras breaks this silently: with `use_ema=True` and `EarlyStopping`, it logs the loss of
one set of weights and returns another.
"""

import itertools

import keras
import numpy as np
import pytest

from kerasrecipes import (
    Bundle,
    MagnitudePruning,
    MovingAverage,
    SnapshotEnsemble,
    StochasticWeightAveraging,
    UnfreezeSchedule,
)
from kerasrecipes.data.batches import one_hot
from kerasrecipes.data.inference import predict_scores
from kerasrecipes.export import get_format
from kerasrecipes.photos.decoding.decode import read_photo
from kerasrecipes.settings.judging import head_of
from tiny_bundle import contract_of

# The validation loss is logged from cached features in half precision.
TOLERANCE = 3e-3
RATE = 0.05  # so high that the losses of two epochs, or of raw and averaged weights, differ
SCHEDULES = {
    "head_only": UnfreezeSchedule.head_only(8, RATE),
    "two_phase": UnfreezeSchedule.two_phase(
        6, RATE, head_epochs=3, head_learning_rate=RATE, open_fraction=0.5
    ),
    "gradual": UnfreezeSchedule.gradual(
        4, RATE, steps=2, open_fraction=1.0, head_epochs=3, head_learning_rate=RATE
    ),
    "full": UnfreezeSchedule.full(8, RATE),
}
MATRIX = list(itertools.product([True, False], SCHEDULES, [1, 100]))


def proving(ema: bool, *cell):
    """Half of the cells, of each setting with each schedule, are enough beside what they share."""
    marks = [pytest.mark.proof] if ema is not (cell[-1] == 1) else []
    return pytest.param(ema, *cell, marks=marks)


@pytest.fixture(scope="module")
def fit(part_sets, tiny_spec):
    """Fits one cell of the matrix, once."""
    from kerasrecipes import ImageClassifier

    fitted = {}

    def run(ema: bool, schedule: str, patience: int, callbacks=()):
        key = (ema, schedule, patience)
        if key not in fitted:
            recipe = ImageClassifier(
                tiny_spec(filters=8),
                schedule=SCHEDULES[schedule],
                augment="none",
                views=1,
                batch_size=8,
                ema=ema,
                patience=patience,
                class_weights=None,
                dropout=0.0,
            )
            recipe.fit(*part_sets[:2], callbacks=callbacks, verbose=False)
            fitted[key] = recipe
        return fitted[key]

    return run


def loss_on(recipe, photos, model=None) -> float:
    """The recipe's loss of the whole model, from the photos."""
    head, model = head_of(recipe), model or recipe.model_
    trained = keras.Model(model.input, model.get_layer(head.trains).output)
    loss = head.loss(list(recipe.fitted_.train.counts().values()))
    return float(loss(one_hot(photos), predict_scores(trained, photos)))


def logged(recipe) -> list[float]:
    return [v for stage in recipe.report_.stages for v in stage.history["val_loss"]]


@pytest.mark.parametrize(("ema", "schedule", "patience"), [proving(*cell) for cell in MATRIX])
def test_what_is_returned_is_the_best_that_was_measured(fit, part_sets, ema, schedule, patience):
    recipe = fit(ema, schedule, patience)
    assert loss_on(recipe, part_sets[1]) == pytest.approx(min(logged(recipe)), abs=TOLERANCE)


@pytest.mark.proof
def test_the_matrix_has_cells_that_could_fail(fit):
    """Runs that stop early, ones that do not, and losses that differ beyond the tolerance."""
    recipes = {cell: fit(*cell) for cell in MATRIX}
    assert len(recipes) == 16
    stopped = {
        cell
        for cell, recipe in recipes.items()
        if any(stage.epochs_run < stage.epochs_planned for stage in recipe.report_.stages)
    }
    assert {patience for _, _, patience in stopped} == {1}
    assert {ema for ema, _, _ in stopped} == {True, False}
    not_the_last = 0
    for recipe in recipes.values():
        losses = logged(recipe)
        not_the_last += losses[-1] > min(losses) + 2 * TOLERANCE
    assert not_the_last >= 4


@pytest.mark.parametrize(
    ("ema", "patience"), [proving(*cell) for cell in itertools.product([True, False], [1, 100])]
)
def test_saved_and_exported_files_answer_the_same(fit, part_sets, tmp_path, ema, patience):
    recipe, (_, val, test) = fit(ema, "two_phase", patience), part_sets
    expected = recipe.predict(test)
    recipe.evaluate(test)
    model = Bundle.load(recipe.save(tmp_path / "m").folder).load_model()
    assert np.array_equal(predict_scores(model, test), expected)
    assert loss_on(recipe, val, model) == pytest.approx(min(logged(recipe)), abs=TOLERANCE)
    tflite = get_format("tflite")
    path = tflite.write(model, tmp_path / "m.tflite", contract=contract_of(list(test.class_names)))
    pixels = np.stack(
        [read_photo(p, recipe.model_.input.shape[1:3], test.policy) for p in test.photos]
    )
    assert np.abs(tflite.load(path)(pixels)["scores"] - expected).max() < 1e-3


def test_raw_and_averaged_weights_differ_beyond_the_tolerance(fit, part_sets):
    """Else the matrix could not tell which of them came back."""
    losses = [loss_on(fit(ema, "full", 100), part_sets[1]) for ema in (True, False)]
    assert abs(losses[0] - losses[1]) > 2 * TOLERANCE


@pytest.mark.parametrize("ema", [True, False])
def test_plain_keras_logs_one_model_and_returns_another(ema):
    """The trap: `EarlyStopping` restores raw weights, whatever was measured."""
    keras.utils.set_random_seed(3)
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    y = (x.sum(1) > 0).astype("float32")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
    optimizer = keras.optimizers.SGD(5.0, use_ema=ema, ema_momentum=0.9)
    model.compile(optimizer, "binary_crossentropy")
    callbacks = [keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)]
    callbacks += [keras.callbacks.SwapEMAWeights()] if ema else []
    history = model.fit(
        x, y, validation_data=(x, y), epochs=6, batch_size=8, callbacks=callbacks, verbose=0
    )
    found = model.evaluate(x, y, verbose=0)
    same = abs(found - min(history.history["val_loss"])) < 1e-5
    assert same is not ema


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (StochasticWeightAveraging(1), "a StochasticWeightAveraging: its average would be lost"),
        (keras.callbacks.SwapEMAWeights(), "a SwapEMAWeights: a recipe swaps the weights itself"),
        (
            MagnitudePruning(0.8),
            "a MagnitudePruning: its zeros would be lost, .* then call `prune`",
        ),
        (MovingAverage(), "a MovingAverage: the recipe keeps .* Pass ema=False to the recipe"),
    ],
)
def test_callbacks_that_a_recipe_would_undo_are_refused(quick_recipe, callback, message):
    with pytest.raises(ValueError, match=message):
        quick_recipe().fit(None, None, callbacks=[callback])


def test_a_moving_average_of_ones_own_is_returned_as_it_was_measured(fit, part_sets):
    recipe = fit(False, "two_phase", 2, callbacks=[MovingAverage(0.9)])
    assert loss_on(recipe, part_sets[1]) == pytest.approx(min(logged(recipe)), abs=TOLERANCE)


def test_snapshots_in_a_recipe_are_refused_since_its_rates_follow_a_schedule(fit):
    with pytest.raises(ValueError, match="SnapshotEnsemble sets the learning rate itself"):
        fit(False, "head_only", 50, callbacks=[SnapshotEnsemble(2)])


def compiled(rate: float = 0.2):
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(0).normal(size=(96, 6)).astype("float32")
    y = (x[:, :3].sum(1) > 0).astype("int32")
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8, "relu"),
                              keras.layers.Dense(2, "softmax")])  # fmt: skip
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")
    return model, x, y


def test_an_average_of_weights_is_what_a_bare_fit_returns(tmp_path):
    """The average is what is saved, too, and it is no single epoch's model."""
    model, x, y = compiled(rate=1.0)
    epochs = []
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: epochs.append([w.copy() for w in model.get_weights()])
    )
    averaging = StochasticWeightAveraging(2)
    model.fit(x, y, epochs=5, batch_size=8, callbacks=[keep, averaging], verbose=0)
    for found, *each in zip(model.get_weights(), *epochs[2:], strict=True):
        assert np.allclose(found, np.mean(each, axis=0), atol=1e-6)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert np.array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


def test_an_ensemble_of_snapshots_is_saved_as_it_was_measured(tmp_path):
    model, x, y = compiled()
    model = keras.Model(model.inputs, model.outputs)  # lists, as many people write it
    model.compile(keras.optimizers.SGD(0.2), "sparse_categorical_crossentropy")
    snapshots = SnapshotEnsemble(2)
    model.fit(x, y, epochs=4, batch_size=8, callbacks=[snapshots], verbose=0)
    ensemble = snapshots.ensemble_model()
    ensemble.save(tmp_path / "m.keras")
    members = []
    for weights in snapshots.weights:
        model.set_weights(weights)
        members.append(model.predict(x, verbose=0))
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert np.allclose(loaded.predict(x, verbose=0), np.mean(members, axis=0), atol=1e-6)
