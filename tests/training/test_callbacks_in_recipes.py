"""Every callback, Keras's and ours: it does in a recipe what it promises, or is refused before."""

import csv
import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasrecipes as kr
from kerasrecipes import ImageClassifier, NoEffectError, UnfreezeSchedule
from kerasrecipes.callbacks.batch_loss import BatchLoss
from kerasrecipes.callbacks.progress import Interrupts, LearningRateLog, Progress
from kerasrecipes.settings.callback_checks import check_callbacks
from tiny_bert import tiny_bert
from tiny_signals import tiny_net

EPOCHS, STAGES = 2, ("head", "top")
X = np.ones((2, 4, 4, 3), "float32")


class Uninstalled(keras.callbacks.OrbaxCheckpoint):
    """Has its kind, without the package that it needs."""

    def __init__(self):
        keras.callbacks.Callback.__init__(self)


# What is no callback of its own, but what they are made of, or held in.
NO_CALLBACKS = {"Callback", "CallbackList"}
REFUSED = {
    "BackupAndRestore": (lambda: keras.callbacks.BackupAndRestore("x"), "pass `run_folder`"),
    "DivergenceGuard": (kr.DivergenceGuard, "of its own, .* Leave it out"),
    "ExactCheckpoint": (lambda: kr.ExactCheckpoint("x"), "Pass `run_folder`"),
    "History": (keras.callbacks.History, r"`report.stages\[0\].history`"),
    "HoldClusters": (kr.HoldClusters, r"Use UnfreezeSchedule.full\(\)"),
    "HoldZeros": (kr.HoldZeros, r"Use UnfreezeSchedule.full\(\)"),
    "Interrupts": (Interrupts, "Leave it out"),
    "LRFinder": (kr.LRFinder, "'auto' as its learning rate"),
    "LearningRateLog": (LearningRateLog, r"`report.stages\[0\].history`"),
    "LearningRateScheduler": (
        lambda: keras.callbacks.LearningRateScheduler(lambda epoch: 0.1),
        r"LearningRateScheduler sets the .* Stage\('top', 20, learning_rate=1e-4\)",
    ),
    "MagnitudePruning": (kr.MagnitudePruning, "call `prune`"),
    "ModelCheckpoint": (lambda: keras.callbacks.ModelCheckpoint("x.keras"), "`recipe.save`"),
    "MovingAverage": (kr.MovingAverage, "Pass ema=False"),
    "OrbaxCheckpoint": (Uninstalled, "`recipe.save`"),
    "ProgbarLogger": (keras.callbacks.ProgbarLogger, "verbose=True"),
    "Progress": (Progress, "verbose=True"),
    "ReduceLROnPlateau": (keras.callbacks.ReduceLROnPlateau, "pass curve='plateau'"),
    "PlateauRate": (kr.callbacks.PlateauRate, "pass curve='plateau'"),
    "SnapshotEnsemble": (lambda: kr.SnapshotEnsemble(1), "SnapshotEnsemble sets the learning rate"),
    "StochasticWeightAveraging": (lambda: kr.StochasticWeightAveraging(1), "Use `ema=True`"),
    "SwapEMAWeights": (keras.callbacks.SwapEMAWeights, "Use `ema=True` without it"),
    "TerminateOnNaN": (keras.callbacks.TerminateOnNaN, "DivergenceGuard of its own"),
}
# Refused as they are usually made, with another way of making them that works.
REFUSED_SO = {
    "CSVLogger": (lambda: keras.callbacks.CSVLogger("x"), "Pass append=True"),
    "EarlyStopping": (
        lambda: kr.EarlyStopping("val_accuracy"), "restore_best_weights=False, to stop by 'val_acc"
    ),
    "GradientMonitor": (lambda: kr.GradientMonitor((X, X)), "Pass cache_gb=0"),
}  # fmt: skip
WORKING = {
    "BatchLoss", "CSVLogger", "DriftCheck", "EarlyStopping", "GradientMonitor", "LambdaCallback",
    "LatencyMonitor", "MetricsLog", "MlflowWriter", "OverfitMonitor", "RemoteMonitor",
    "TensorBoard", "TensorBoardWriter",
}  # fmt: skip


def test_all_are_decided_upon():
    from kerasrecipes import callbacks as ours

    kinds = {name for name in dir(keras.callbacks) if name[0].isupper()} | {
        name
        for name in ours.__all__
        if isinstance(one := getattr(ours, name), type)
        and issubclass(one, keras.callbacks.Callback)
    }
    internal = {"BatchLoss", "Interrupts", "LearningRateLog", "Progress"}
    assert kinds - NO_CALLBACKS == (set(REFUSED) | WORKING) - internal
    assert set(REFUSED_SO) < WORKING and not set(REFUSED) & WORKING


@pytest.mark.parametrize("kind", [*REFUSED, *REFUSED_SO])
def test_what_would_not_work_is_refused_before_anything_is_read(small_recipe, kind):
    make, message = {**REFUSED, **REFUSED_SO}[kind]
    with pytest.raises(ValueError, match=f"`callbacks` holds an? {kind}.* .*{message}"):
        small_recipe().fit(None, None, callbacks=[make()])


def test_what_holds_weights_may_where_all_of_them_train(small_recipe):
    recipe = small_recipe(schedule=UnfreezeSchedule.full(), ema=False)
    check_callbacks([kr.HoldZeros(), kr.HoldClusters(), kr.MovingAverage()], recipe)
    check_callbacks([keras.callbacks.CSVLogger("x")], recipe)


class Listener(BaseHTTPRequestHandler):
    heard: list

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append(json.loads(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def listener():
    """An address, and what was posted to it."""
    heard = []
    server = HTTPServer(("127.0.0.1", 0), type("Heard", (Listener,), {"heard": heard}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", heard
    server.shutdown()
    server.server_close()


class Watch(keras.callbacks.Callback):
    """Keeps what it is told of epochs."""

    def __init__(self):
        super().__init__()
        self.told = []

    def on_epoch_begin(self, epoch, logs=None):
        self.told.append((epoch, self.params["epochs"]))


def curves(folder):
    """The steps of each curve that TensorBoard would draw from a folder."""
    found = {}
    for file in sorted(folder.iterdir()):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                found.setdefault(value.tag, []).append(event.step)
    return found


class Odd(keras.callbacks.Callback):
    """Has a `summary` that is not meant for a report."""

    def summary(self, verbose):
        raise AssertionError("not to be called")


def test_what_is_not_refused_does_what_it_promises(small_recipe, part_sets, tmp_path, listener):
    pytest.importorskip("tensorboard")
    train, val, _ = part_sets
    address, heard = listener
    ended, seen, batches, watch = [], [], BatchLoss(), Watch()
    probe = (np.random.default_rng(0).uniform(0, 255, (64, 24, 24, 3)).astype("float32"),
             np.eye(3, dtype="float32")[np.arange(64) % 3])  # fmt: skip
    monitor = kr.GradientMonitor(probe)
    stop = kr.EarlyStopping("val_accuracy", mode="min", patience=99, restore_best_weights=False)
    board = keras.callbacks.TensorBoard(tmp_path / "board", update_freq="batch")
    writer = kr.TensorBoardWriter(tmp_path / "writer")
    latency = kr.callbacks.LatencyMonitor(runs=10)
    callbacks = [
        latency, board, writer, monitor, stop, batches, Odd(),
        keras.callbacks.CSVLogger(tmp_path / "log.csv", append=True),
        keras.callbacks.EarlyStopping("accuracy", patience=99),
        keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: seen.append(epoch),
            on_train_end=lambda logs: ended.append(logs),
        ),
        watch, watch,
        keras.callbacks.RemoteMonitor(address, send_as_json=True),
        kr.MetricsLog(tmp_path / "log.jsonl"),
        kr.OverfitMonitor(per_class=True),
    ]  # fmt: skip
    used = {base.__name__ for one in callbacks for base in type(one).__mro__}
    # MLflow may be missing, and a drift check needs more photos: they are fitted beside theirs.
    assert used > WORKING - {"DriftCheck", "MlflowWriter"}
    schedule = UnfreezeSchedule.two_phase(EPOCHS, head_epochs=EPOCHS)
    recipe = small_recipe(schedule=schedule, cache_gb=0)
    report = recipe.fit(train, val, callbacks=callbacks, verbose=False)

    logged = [loss for stage in report.stages for loss in stage.history["val_loss"]]
    assert [stage.name for stage in report.stages] == list(STAGES) and len(logged) == 2 * EPOCHS
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    for told in (rows, heard, lines):
        assert [float(one["val_loss"]) for one in told] == pytest.approx(logged)
    assert len(ended) == len(STAGES)
    # No epoch comes twice, whoever counts them.
    every = list(range(2 * EPOCHS))
    assert [int(one["epoch"]) for one in rows] == [one["epoch"] for one in heard] == every == seen
    assert [one["epoch"] - 1 for one in lines] == every
    assert watch.told == [(epoch, 2 * EPOCHS) for epoch in every for _ in range(2)]
    assert "on_epoch_end" not in vars(board) and "set_params" not in vars(watch)
    assert [one["latency_ms"] for one in lines] == [latency.median_ms] * 2 * EPOCHS
    assert writer.epochs == 2 * EPOCHS and list((tmp_path / "writer").iterdir())
    trained, validated = (curves(tmp_path / "board" / side) for side in ("train", "validation"))
    assert trained["epoch_loss"] == validated["epoch_loss"] == every
    steps = 2 * EPOCHS * -(-len(train) // 8)
    assert trained["batch_loss"] == list(range(1, steps + 1))
    measured = validated["evaluation_loss_vs_iterations"]
    # The first time before the stage begins, when it is not a callback of the fit.
    assert measured == sorted(measured) and measured[-1] == steps

    said = report.callbacks
    assert not [name for name in said if "TensorBoard:" in name or "Odd" in name]
    for stage in STAGES:
        # The recipe's own has the plain name.
        assert said[f"{stage}: EarlyStopping"]["monitor"] == "val_loss"
        assert said[f"{stage}: EarlyStopping 2"]["monitor"] == "val_accuracy"
        assert said[f"{stage}: EarlyStopping 2"]["stopped_epoch"] is None
        assert len(said[f"{stage}: OverfitMonitor"]["classes"]) == EPOCHS
        assert said[f"{stage}: BatchLoss"]["steps"] == EPOCHS * -(-len(train) // 8)
        for epoch in said[f"{stage}: GradientMonitor"]["epochs"]:
            # Also inside of the part that is frozen, or that is cut out to train.
            dead = epoch["dead_units"]
            assert {name: count for name, (_, count) in dead.items()} == {
                "one_relu": 16, "expand_relu": 32, "depthwise_relu": 32, "last": 32,
            }  # fmt: skip


def test_stopping_by_another_value_ends_each_stage(small_recipe, part_sets):
    falls = keras.callbacks.EarlyStopping("loss", mode="max", patience=1)
    head, top = UnfreezeSchedule.two_phase(5, head_epochs=5).stages
    of_top = Watch()
    schedule = UnfreezeSchedule((head, replace(top, callbacks=[of_top])))
    recipe = small_recipe(schedule=schedule, ema=False)
    report = recipe.fit(*part_sets[:2], callbacks=[falls], verbose=False)
    assert all(1 < stage.epochs_run < 5 for stage in report.stages)
    # Its own callback follows the stage alone, and counts epochs over all stages.
    before = report.stages[0].epochs_run
    told = range(before, before + report.stages[1].epochs_run)
    assert [epoch for epoch, _ in of_top.told] == list(told)


def test_callbacks_of_a_stage_are_judged_as_others_are(small_recipe, part_sets):
    head, top = UnfreezeSchedule.two_phase().stages
    with pytest.raises(ValueError, match="Stage 'head': `callbacks` must be a list of callbacks"):
        replace(head, callbacks=["EarlyStopping"])
    for callback, others, message in (
        (keras.callbacks.ModelCheckpoint("best.keras"), [], "`callbacks` holds a ModelCheckpoint"),
        (of_both := Watch(), [of_both], "`callbacks` holds one that a stage has, too"),
    ):
        schedule = UnfreezeSchedule((head, replace(top, callbacks=[callback])))
        with pytest.raises(ValueError, match=message):
            small_recipe(schedule=schedule).fit(None, None, callbacks=others)
    schedule = UnfreezeSchedule((replace(head, callbacks=[Watch()]), top))
    with pytest.raises(NoEffectError, match="a linear model takes the place of this stage"):
        ImageClassifier(schedule=schedule, start="probe").fit(*part_sets[:2])
    assert "callbacks" not in schedule.to_dict()[0]
    assert UnfreezeSchedule.from_dict(schedule.to_dict()) == schedule


def texts(**settings):
    schedule = UnfreezeSchedule.two_phase(EPOCHS, head_epochs=EPOCHS)
    return kr.TextClassifier(tiny_bert(), schedule=schedule, batch_size=16, **settings)


def signals(**settings):
    schedule = UnfreezeSchedule.full(EPOCHS, 0.03)
    return kr.SequenceClassifier(tiny_net(), schedule=schedule, batch_size=8, **settings)


# They work in one stage in which all weights train.
OF_WHOLE = {"CSVLogger", "GradientMonitor", "HoldClusters", "HoldZeros"}


@pytest.mark.parametrize("kind", [*REFUSED, *REFUSED_SO])
@pytest.mark.parametrize("make", [texts, signals])
def test_recipes_of_other_kinds_refuse_it_too(make, kind):
    callback, message = {**REFUSED, **REFUSED_SO}[kind]
    if make is signals and kind in OF_WHOLE:
        check_callbacks([callback()], make())
        return
    with pytest.raises(ValueError, match=f"`callbacks` holds an? {kind}.* .*{message}"):
        make().fit(None, None, callbacks=[callback()])


@pytest.mark.proof
@pytest.mark.parametrize("make, sets", [(texts, "ticket_sets"), (signals, "signal_sets")])
def test_recipes_of_other_kinds_keep_what_it_promises(make, sets, tmp_path, request):
    train, val, _ = request.getfixturevalue(sets)
    seen, watch, recipe = [], Watch(), make(cache_gb=0)
    callbacks = [
        kr.callbacks.LatencyMonitor(runs=10), kr.MetricsLog(tmp_path / "log.jsonl"), Odd(), watch,
        kr.EarlyStopping("val_accuracy", mode="min", patience=99, restore_best_weights=False),
        keras.callbacks.CSVLogger(tmp_path / "log.csv", append=True), BatchLoss(),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch)),
        kr.OverfitMonitor(per_class=True),
    ]  # fmt: skip
    report = recipe.fit(train, val, callbacks=callbacks, verbose=False)
    logged = [loss for stage in report.stages for loss in stage.history["val_loss"]]
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    for told in (rows, lines):
        assert [float(one["val_loss"]) for one in told] == pytest.approx(logged)
    every = list(range(len(report.stages) * EPOCHS))
    assert (
        [int(one["epoch"]) for one in rows] == [epoch for epoch, _ in watch.told] == every == seen
    )
    assert all(one["latency_ms"] > 0 for one in lines)
    for stage in report.stages:
        said = {
            name: report.callbacks[f"{stage.name}: {name}"]
            for name in ("BatchLoss", "OverfitMonitor")
        }
        assert said["BatchLoss"]["steps"] == EPOCHS * -(-len(train) // recipe.batch_size)
        assert len(said["OverfitMonitor"]["classes"]) == EPOCHS
