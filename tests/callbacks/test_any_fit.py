"""Callbacks keep their promise in any `model.fit`, however it is fed and whatever its steps do."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasrecipes as kr
from kerasrecipes.callbacks.batch_loss import BatchLoss
from kerasrecipes.callbacks.progress import Interrupts, LearningRateLog, Progress

ROWS, BATCH, EPOCHS = 16, 4, 2
STEPS = ROWS // BATCH
X = np.random.default_rng(0).normal(size=(ROWS, 4)).astype("float32")
Y = (X[:, :1] > 0).astype("float32")


class Own(keras.Model):
    """Trains by a step of its own; `steps` are the losses of each."""

    shows = "loss"

    def __init__(self, *parts, **options):
        super().__init__(*parts, **options)
        name = "loss" if self.shows == "tracker" else "total_loss"
        self.mean = keras.metrics.Mean(name=name) if self.shows.endswith("tracker") else None
        self.steps = []
        self.kept = keras.optimizers.SGD(0.1) if self.shows == "optimizer" else None

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self(x, training=True) - y))
        weights = self.trainable_variables
        gradients = tape.gradient(loss, weights)
        (self.kept or self.optimizer).apply_gradients(zip(gradients, weights, strict=True))
        self.steps.append(float(loss))
        if self.mean is not None:
            self.mean.update_state(loss)
            return {"loss": self.mean.result()}
        return {"other" if self.shows == "other" else "loss": loss}

    def test_step(self, data):
        return {"loss": tf.reduce_mean(tf.square(self(data[0]) - data[1]))}


def own(shows, **options):
    return net(type(shows, (Own,), {"shows": shows}), **options)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return STEPS

    def __getitem__(self, step):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        return X[rows], Y[rows]


def batches(epochs=1):
    for _ in range(epochs):
        yield from map(Batches().__getitem__, range(STEPS))


def unknown_length():
    rows = [tf.TensorSpec((None, 4), tf.float32), tf.TensorSpec((None, 1), tf.float32)]
    return tf.data.Dataset.from_generator(batches, output_signature=tuple(rows))


def net(kind=keras.Model, outputs=1, optimizer="sgd", loss="mse", eager=True, **options):
    keras.utils.set_random_seed(0)
    given = keras.Input((4,))
    hidden = keras.layers.Dense(4, activation="relu", name="hidden")(given)
    ends = {name: keras.layers.Dense(1, name=name)(hidden) for name in "ab"[:outputs]}
    model = kind(given, ends if outputs > 1 else ends["a"])
    # Zeros and shared values, for the callbacks that hold them.
    model.get_layer("hidden").kernel.assign(np.repeat([[0.0], [0.5]], 2, 0) * np.ones((4, 4)))
    model.compile(optimizer, loss, run_eagerly=eager, **options)
    return model


FED = {"batch_size": BATCH, "y": Y, "shuffle": False}
FITS = {
    "arrays in a graph": (lambda: net(eager=False), FED),
    "its own loss": (lambda: own("loss"), FED),
    "its own mean": (lambda: own("tracker"), FED),
    "its own mean of another name": (lambda: own("other_tracker"), FED),
    "no loss": (lambda: own("other"), FED),
    "no optimizer": (lambda: own("optimizer", optimizer=None), FED),
    "another optimizer": (lambda: own("optimizer"), FED),
    "nothing to compute": (lambda: own("loss", loss=None), FED),
    "validation_freq": (net, FED | {"validation_freq": 2}),
    "validation_split": (net, FED | {"validation_data": None, "validation_split": 0.5}),
    "several steps at once": (lambda: net(steps_per_execution=2), FED),
    "an infinite dataset": (net, lambda: {
        "x": tf.data.Dataset.from_tensor_slices((X, Y)).batch(BATCH).repeat(),
        "steps_per_epoch": STEPS,
    }),
    "an unknown length": (net, lambda: {"x": unknown_length()}),
    "a generator": (net, lambda: {"x": batches(99), "steps_per_epoch": STEPS}),
    "a PyDataset": (net, lambda: {"x": Batches(), "shuffle": False}),
    "class weights": (net, FED | {"y": Y[:, 0].astype(int), "class_weight": {0: 1.0, 1: 5.0}}),
    "sample weights": (net, FED | {"sample_weight": np.repeat([0.0, 2.0], ROWS // 2)}),
    "two outputs": (lambda: net(outputs=2, loss={"a": "mse", "b": "mae"}), FED | {
        "y": {"a": Y, "b": Y}, "validation_data": (X, {"a": Y, "b": Y}),
    }),
    "half precision": (net, FED),
    "a later epoch": (net, FED | {"initial_epoch": 3, "epochs": 3 + EPOCHS}),
}  # fmt: skip
HOLDS_STEPS = {"BatchLoss", "DivergenceGuard", "GradientMonitor", "LRFinder", "MagnitudePruning",
               "MovingAverage", "SnapshotEnsemble"}  # fmt: skip
# What cannot be had, and the reason that is given.
LOSS, USED = "no 'loss' in", "which the model's `train_step` does not use"
CANNOT = {
    "no loss": {"BatchLoss": LOSS, "DivergenceGuard": LOSS, "LRFinder": LOSS,
                "OverfitMonitor": LOSS},
    "no optimizer": {"LRFinder": "not compiled with an optimizer",
                     "SnapshotEnsemble": "without an optimizer"},
    "another optimizer": {"LRFinder": USED, "SnapshotEnsemble": USED},
    "nothing to compute": {"GradientMonitor": "Compile the model with a `loss`"},
    "several steps at once": dict.fromkeys(HOLDS_STEPS, "Compile it with `steps_per_execution=1`"),
    "an unknown length": {"SnapshotEnsemble": "Pass `steps_per_epoch`"},
}  # fmt: skip


def run(name, *callbacks, epochs=EPOCHS):
    """Fit a new model; return it and its history."""
    make, options = FITS[name]
    options = options() if callable(options) else options
    policy = "mixed_float16" if name == "half precision" else "float32"
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        model = make()
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    options = {"x": X, "validation_data": (X, Y), "epochs": epochs, "verbose": 0, **options}
    return model, model.fit(callbacks=list(callbacks), **options).history


def test_every_callback_is_fitted_here():
    here = Path(__file__).read_text("utf-8")
    kinds = [name for name in kr.callbacks.__all__
             if isinstance(one := getattr(kr.callbacks, name), type)
             and issubclass(one, keras.callbacks.Callback)]  # fmt: skip
    missing = [name for name in kinds if f".{name}(" not in here]
    assert missing == ["MlflowWriter"]  # which writes what TensorBoardWriter does


def probe(name):
    return (X, {"a": Y, "b": Y} if name == "two outputs" else Y)


@pytest.mark.parametrize("name", FITS)
def test_what_watches_sees_every_step_and_epoch(name, tmp_path):
    stop, over, log = kr.EarlyStopping(), kr.OverfitMonitor(), LearningRateLog()
    guard, losses, gradients = kr.DivergenceGuard(), BatchLoss(), kr.GradientMonitor(probe(name))
    snapshots, writer = kr.SnapshotEnsemble(1), kr.TensorBoardWriter(tmp_path / "board")
    drift = kr.callbacks.DriftCheck(np.repeat(X, 2, 0), np.repeat(X, 2, 0))
    exact, lines = kr.ExactCheckpoint(tmp_path / "state"), kr.MetricsLog(tmp_path / "log.jsonl")
    all_of_them = [drift, losses, gradients, over, log, snapshots, writer, Progress(), Interrupts(),
                   kr.HoldZeros("^hidden"), guard, stop, lines, exact,
                   kr.callbacks.PlateauRate(patience=99)]  # fmt: skip
    cannot = CANNOT.get(name, {})
    used = [one for one in all_of_them if type(one).__name__ not in cannot]
    model, history = run(name, *used)
    shown = history.get("loss", history.get("other"))

    assert stop.best == min(history["val_loss"]) and len(log.history["val_loss"]) > 0
    assert writer.epochs == exact.summary()["written"] == EPOCHS == len(shown)
    logged = [json.loads(line) for line in lines.path.read_text().splitlines()]
    assert [one.get("loss", one.get("other")) for one in logged] == pytest.approx(shown)
    assert ("learning_rate" in logged[0]) == (name != "no optimizer" or model.kept is not None)
    assert (np.array(model.get_layer("hidden").kernel)[:2] == 0).all()
    assert len(drift.similarities) == EPOCHS and not drift.differs
    if over in used:
        assert len(over.epochs) == len(history["val_loss"])
    if gradients in used:
        assert np.isfinite([*gradients.epochs[-1]["gradient_norms"].values()]).all()
        assert gradients.epochs[-1]["dead_units"]["hidden"][1] == 4
    if snapshots in used:
        assert len(snapshots.weights) == EPOCHS
    if losses in used:
        assert not guard.rollbacks and guard.losses == losses.losses
        steps = np.reshape(losses.losses, (EPOCHS, -1))
        if isinstance(model, Own):
            assert losses.losses == pytest.approx(model.steps)
        else:
            assert steps.mean(axis=1) == pytest.approx(shown, rel=1e-4)


@pytest.mark.parametrize(
    "name",
    ["its own loss", "no optimizer", "several steps at once", "an unknown length", "two outputs",
     "half precision", "a later epoch"],
)  # fmt: skip
def test_what_changes_weights_does(name):
    holds, average = kr.HoldClusters("^hidden"), kr.MovingAverage()
    zeros, mean = kr.MagnitudePruning(0.5, end_step=2), kr.StochasticWeightAveraging(1)
    together = name == "several steps at once"
    model, _ = run(name, holds, *([] if together else [average]))
    assert len(np.unique(model.get_layer("hidden").kernel)) == 2
    model, _ = run(name, mean, *([] if together else [zeros]))
    assert mean.averaged == EPOCHS - 1
    if not together:
        assert zeros.summary()["sparsity"] >= 0.5 and average.summary()["steps"] > STEPS


@pytest.mark.parametrize(
    "name", ["its own loss", "its own mean", "an unknown length", "two outputs", "half precision"]
)
def test_a_sweep_leaves_no_trace(name):
    finder = kr.LRFinder(steps=20, sweeps=1, highest=1e-2)
    model, _ = run(name, finder, epochs=9)
    assert len(finder.suggestion.sweeps) == 1
    assert len(np.unique(model.get_layer("hidden").kernel)) == 2


KINDS = {
    "BatchLoss": BatchLoss,
    "DivergenceGuard": kr.DivergenceGuard,
    "GradientMonitor": lambda: kr.GradientMonitor((X, Y)),
    "LRFinder": lambda: kr.LRFinder(steps=20, sweeps=1, highest=1e-2),
    "OverfitMonitor": kr.OverfitMonitor,
    "SnapshotEnsemble": lambda: kr.SnapshotEnsemble(1),
}


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        (name, kind, reason)
        for name, reasons in CANNOT.items()
        for kind, reason in reasons.items()
        if name != "several steps at once"  # see test_single_steps
    ],
)
def test_what_cannot_be_had_is_refused_with_the_reason(name, kind, reason):
    with pytest.raises(ValueError, match=reason):
        run(name, KINDS[kind](), epochs=9)


def test_a_model_too_slow_for_its_line_is_never_trained():
    monitor = kr.callbacks.LatencyMonitor(limit_ms=1000)
    _, history = run("arrays in a graph", monitor)
    assert history["latency_ms"] == [monitor.median_ms] * EPOCHS and 0 < monitor.median_ms < 1000
    assert f"{monitor.median_ms:.3g} ms for one example" in monitor.summary()["words"]
    slow = kr.callbacks.LatencyMonitor(limit_ms=1e-9)
    with pytest.raises(ValueError, match=r"more than `limit_ms`=1e-09, before any training"):
        run("arrays in a graph", slow, seen := LearningRateLog())
    assert not vars(seen).get("history")
    subclassed = Subclassed()
    subclassed.compile("sgd", "mse")
    with pytest.raises(ValueError, match="needs a functional or sequential model"):
        subclassed.fit(X, Y, verbose=0, callbacks=[slow])


class Subclassed(keras.Model):
    def call(self, x):
        return x[:, :1]


def test_a_value_for_each_class_is_logged_under_its_number(tmp_path):
    f1 = keras.metrics.F1Score(threshold=0.5, name="f1")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    model.compile("sgd", "mse", metrics=[f1], run_eagerly=True)
    lines, log = kr.MetricsLog(tmp_path / "log.jsonl"), LearningRateLog()
    writer, over = kr.TensorBoardWriter(tmp_path), kr.OverfitMonitor()
    both = np.concatenate([Y, 1 - Y], 1)
    model.fit(X, both, validation_data=(X, both), verbose=0, callbacks=[lines, log, writer, over])
    for found in (json.loads(lines.path.read_text()), log.history, over.summary()["gaps"]):
        assert {"f1_0", "f1_1"} < set(found)
