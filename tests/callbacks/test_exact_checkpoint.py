"""A training that was stopped and went on must be the one that was not, to the last bit."""

import json
import random

import keras
import numpy as np
import pytest

from kerasrecipes.callbacks.averages.weight_averaging import StochasticWeightAveraging
from kerasrecipes.callbacks.batch_loss import BatchLoss
from kerasrecipes.callbacks.divergence_guard import DivergenceGuard
from kerasrecipes.callbacks.early_stopping import EarlyStopping
from kerasrecipes.callbacks.exact_checkpoint import Continuation, ExactCheckpoint
from kerasrecipes.callbacks.metrics_log import MetricsLog
from kerasrecipes.callbacks.overfit_monitor import OverfitMonitor
from kerasrecipes.callbacks.progress import LearningRateLog, Progress
from kerasrecipes.errors import DataError, TrainingError

EPOCHS = 6
BATCHES = 3


class Crash(Exception):
    pass


class CrashAt(keras.callbacks.Callback):
    """Ends a training where a `kill -9` might."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.place = (epoch, batch)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.place:
            raise Crash


def build(several=False):
    keras.utils.set_random_seed(3)
    x = keras.Input((4,))
    hidden = keras.layers.Dense(6, activation="relu", name="low")(x)
    hidden = keras.layers.BatchNormalization(name="norm")(hidden)
    hidden = keras.layers.Dropout(0.4, name="drop")(hidden)
    model = keras.Model(x, keras.layers.Dense(1, name="top")(hidden))

    def adamw(peak):
        rate = keras.optimizers.schedules.CosineDecay(peak, EPOCHS * BATCHES)
        return keras.optimizers.AdamW(
            rate, use_ema=True, ema_momentum=0.9, gradient_accumulation_steps=2
        )

    optimizer = adamw(0.05)
    if several:
        inner = keras.optimizers.OptimizerMap(optimizer, {"low/.*": adamw(0.01)})
        optimizer = keras.optimizers.MultiOptimizer(inner)
    model.compile(optimizer, "mse")
    return model


def rows(epochs):
    """Return the batches of some epochs; every epoch has its own order."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, 4)).astype("float32")
    y = x[:, :1] + rng.normal(size=(24, 1)).astype("float32")
    orders = [np.random.default_rng([7, epoch]).permutation(24) for epoch in epochs]
    order = np.concatenate(orders).reshape(-1, 8)
    for indices in order:
        yield x[indices], y[indices]


class Jitter(keras.callbacks.Callback):
    """Draws from every global generator, so that their states count."""

    def on_epoch_begin(self, epoch, logs=None):
        kernel = self.model.get_layer("top").kernel
        noise = random.random() + np.random.normal() + keras.random.normal(kernel.shape)
        kernel.assign(kernel + 0.01 * noise)


def callbacks(log):
    return [
        keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
        BatchLoss(24, 8),
        DivergenceGuard(),
        OverfitMonitor(patience=1),
        LearningRateLog(),
        EarlyStopping(patience=EPOCHS, start_value=9.0),
        StochasticWeightAveraging(0, dataset=[np.ones((4, 4), "float32")]),
        MetricsLog(log, run="a"),
    ]


def run(folder, several=False, crash=None, epochs=EPOCHS, change=lambda used: used):
    """Train from where the folder stands; return everything that must repeat."""
    folder.mkdir(exist_ok=True)
    model, used = build(several), change(callbacks(folder / "metrics.jsonl"))
    checkpoint = ExactCheckpoint(folder / "state", stateful=used)
    now = checkpoint.restore(model)
    x = np.linspace(-1, 1, 20).reshape(5, 4).astype("float32")
    model.fit(
        rows(range(now.epoch, epochs + 1)),
        validation_data=(x, x[:, :1]),
        initial_epoch=now.epoch,
        epochs=now.epoch if now.stopped else epochs,
        steps_per_epoch=BATCHES,
        callbacks=[
            *([CrashAt(*crash)] if crash else []),
            *used[:1],
            Jitter(),
            *used[1:],
            checkpoint,
        ],
        verbose=0,
    )
    values = [v.numpy() for v in [*model.variables, *model.optimizer.variables]]
    said = {type(one).__name__: one.summary() for one in used if hasattr(one, "summary")}
    history = next(one.history for one in used if isinstance(one, LearningRateLog))
    return values, history, said, MetricsLog(folder / "metrics.jsonl").get_state()["text"]


def same(one, other):
    for a, b in zip(one[0], other[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert one[1:] == other[1:]


@pytest.mark.parametrize(
    ("several", "crashes"),
    [pytest.param(False, [(3, 1)], marks=pytest.mark.proof), (True, [(1, 0), (5, 2)])],
)
def test_stopped_and_resumed_is_the_same_as_not_stopped(tmp_path, several, crashes):
    whole = run(tmp_path / "whole", several)
    for crash in crashes:
        with pytest.raises(Crash):
            run(tmp_path / "cut", several, crash)
    same(whole, run(tmp_path / "cut", several))
    same(whole, run(tmp_path / "cut", several))  # it had ended, and is only finished
    assert len(whole[1]["val_loss"]) == EPOCHS
    assert [json.loads(line)["epoch"] for line in whole[3].splitlines()] == [1, 2, 3, 4, 5, 6]


def test_a_training_that_a_callback_stopped_stays_stopped(tmp_path):
    def impatient(used):
        return [EarlyStopping(patience=1, start_value=0.0), *used[4:5]]

    whole = run(tmp_path, change=impatient)
    assert whole[2]["EarlyStopping"]["stopped_epoch"] == 1
    same(whole, run(tmp_path, change=impatient))
    with pytest.raises(ValueError, match="ended after epoch 1, .* Pass `epochs=1` to `fit`"):
        resume_and_fit(tmp_path, impatient, initial_epoch=1)
    assert run(tmp_path, change=impatient)[1] == whole[1]


def resume_and_fit(folder, change, initial_epoch):
    model, used = build(), change(callbacks(folder / "metrics.jsonl"))
    checkpoint = ExactCheckpoint(folder / "state", stateful=used)
    checkpoint.restore(model)
    model.fit(
        rows(range(EPOCHS + 1)), epochs=EPOCHS, initial_epoch=initial_epoch, verbose=0,
        steps_per_epoch=BATCHES, callbacks=[*used, checkpoint],
    )  # fmt: skip


def test_another_epoch_than_the_restored_one_is_an_error(tmp_path):
    run(tmp_path, epochs=2)
    with pytest.raises(ValueError, match="begins at epoch 0, .* after 2 epochs. Pass `initial_ep"):
        resume_and_fit(tmp_path, lambda used: used, initial_epoch=0)


def test_a_guard_goes_on_with_its_lowered_rate(tmp_path):
    """The factor of a schedule is no variable, so that weights alone would not bring it back."""

    class Spoil(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                top = self.model.get_layer("top").kernel
                top.assign(top * np.nan)

    def fit(folder, until=None):
        model = build()
        spoil, guard = Spoil(), DivergenceGuard(factor=99, window=1)
        checkpoint = ExactCheckpoint(folder, stateful=[guard])
        now = checkpoint.restore(model)
        crash = [CrashAt(until, 0)] if until else []
        model.fit(
            rows(range(now.epoch, 5)), epochs=4, initial_epoch=now.epoch, verbose=0,
            steps_per_epoch=BATCHES, callbacks=[spoil, guard, *crash, checkpoint],
        )  # fmt: skip
        return [v.numpy() for v in model.variables], guard.summary()

    whole = fit(tmp_path / "whole")
    assert len(whole[1]["rollbacks"]) == 1
    with pytest.raises(Crash):
        fit(tmp_path / "cut", until=2)
    resumed = fit(tmp_path / "cut")
    assert repr(resumed[1]) == repr(whole[1])
    for a, b in zip(whole[0], resumed[0], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.proof
def test_keras_backup_is_not_exact(tmp_path):
    """The trap: `BackupAndRestore` forgets the states of dropout."""

    def fit(name, until):
        model = build()
        backup = keras.callbacks.BackupAndRestore(tmp_path / name, delete_checkpoint=False)
        crash = [CrashAt(until, 0)] if until else []
        model.fit(
            rows(range(3 if until is None and name == "cut" else 0, EPOCHS + 1)), epochs=EPOCHS,
            steps_per_epoch=BATCHES, callbacks=[backup, *crash], verbose=0,
        )  # fmt: skip
        return model.get_layer("top").kernel.numpy()

    whole = fit("whole", None)
    with pytest.raises(Crash):
        fit("cut", 3)
    assert np.abs(fit("cut", None) - whole).max() > 1e-4


def test_every_writes_seldom_but_always_the_last(tmp_path):
    model = build()
    checkpoint = ExactCheckpoint(tmp_path, every=4)
    model.fit(rows(range(7)), epochs=6, steps_per_epoch=BATCHES, callbacks=[checkpoint], verbose=0)
    assert checkpoint.summary() == {"written": 2, "restored_epoch": None}
    assert ExactCheckpoint(tmp_path).restore(build()) == Continuation(6, False)


def test_without_a_state_it_begins_at_the_beginning(tmp_path):
    assert ExactCheckpoint(tmp_path / "none").restore(build()) == Continuation(0, False)


def test_weights_that_are_not_finite_leave_the_last_good_state(tmp_path):
    class Spoil(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                self.model.get_layer("top").kernel.assign(np.full((6, 1), np.nan))

    with pytest.raises(TrainingError, match="top/kernel is not finite after epoch 3"):
        build().fit(
            rows(range(7)), epochs=6, steps_per_epoch=BATCHES, verbose=0,
            callbacks=[Spoil(), ExactCheckpoint(tmp_path)],
        )  # fmt: skip
    assert ExactCheckpoint(tmp_path).restore(build()).epoch == 2


def test_foreign_states_are_refused(tmp_path):
    run(tmp_path, epochs=1)
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    other.compile("sgd", "mse")
    used = callbacks(tmp_path / "m.jsonl")
    with pytest.raises(DataError, match=r"state-000001.npz' is not .* of another model or opt"):
        ExactCheckpoint(tmp_path / "state", stateful=used).restore(other)
    with pytest.raises(DataError, match="holds the states of .*'EarlyStopping'.*not of \\[\\]"):
        ExactCheckpoint(tmp_path / "state").restore(build())


def test_wrong_arguments():
    with pytest.raises(ValueError, match="`every` must be at least 1, or None, not 0"):
        ExactCheckpoint("x", every=0)
    with pytest.raises(ValueError, match="has a ReduceLROnPlateau, which has no `get_state`"):
        ExactCheckpoint("x", stateful=[keras.callbacks.ReduceLROnPlateau()])
    with pytest.raises(ValueError, match="not that of a Progress: it holds best"):
        Progress().set_state({"best": 1})
