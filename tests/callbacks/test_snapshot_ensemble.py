import keras
import numpy as np
import pytest

from kerasrecipes import EarlyStopping, NotFittedError
from kerasrecipes.callbacks.averages.snapshot_ensemble import SnapshotEnsemble

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 3)).astype("float32")
Y = (X[:, 0] > 0).astype("int32")


def new_model(rate=0.1):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    x = keras.layers.BatchNormalization()(keras.layers.Dense(4)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(x))
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")
    return model


def fit(snapshots, epochs, model=None):
    model = model or new_model()
    seen = {"rates": [], "scores": []}

    def note(epoch, logs):
        seen["scores"].append(model.predict(X, verbose=0))

    def note_rate(batch, logs):
        seen["rates"].append(float(model.optimizer.learning_rate))

    watch = keras.callbacks.LambdaCallback(on_epoch_end=note, on_train_batch_end=note_rate)
    model.fit(X, Y, batch_size=8, epochs=epochs, verbose=0, callbacks=[snapshots, watch])
    return model, seen


def test_each_cycle_falls_from_the_peak_along_a_cosine():
    model, seen = fit(SnapshotEnsemble(cycle_epochs=2, peak=0.4), epochs=5)
    steps = np.arange(8)
    cycle = 0.2 * (np.cos(np.pi * steps / 8) + 1)
    assert seen["rates"] == pytest.approx([*cycle, *cycle, *cycle[:4]], rel=1e-5)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1)  # as it was compiled


def test_the_ensemble_is_the_mean_of_the_ends_of_the_cycles(tmp_path):
    snapshots = SnapshotEnsemble(cycle_epochs=2)
    model, seen = fit(snapshots, epochs=5)
    ensemble = snapshots.ensemble_model()
    expected = (seen["scores"][1] + seen["scores"][3]) / 2
    assert ensemble.predict(X, verbose=0) == pytest.approx(expected, abs=1e-6)
    ensemble.save(tmp_path / "ensemble.keras")
    loaded = keras.saving.load_model(tmp_path / "ensemble.keras")
    assert loaded.predict(X, verbose=0) == pytest.approx(expected, abs=1e-6)
    assert snapshots.summary() == {
        "members": 2,
        "size_bytes": 2 * 4 * model.count_params(),
        "latency_factor": 2,
    }


def test_only_the_last_members_are_kept():
    snapshots = SnapshotEnsemble(cycle_epochs=1, members=1)
    _, seen = fit(snapshots, epochs=3)
    assert snapshots.summary()["members"] == 1
    scores = snapshots.ensemble_model().predict(X, verbose=0)
    assert scores == pytest.approx(seen["scores"][2], abs=1e-6)


def test_wrong_use_is_named():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    with pytest.raises(ValueError, match="the optimizer has a schedule"):
        fit(SnapshotEnsemble(1), 2, new_model(schedule))
    with pytest.raises(ValueError, match="No cycle of 5 epochs is finished in 2"):
        fit(SnapshotEnsemble(5), 2)
    with pytest.raises(NotFittedError, match="no members yet"):
        SnapshotEnsemble(1).ensemble_model()
    for arguments in ({"cycle_epochs": 0}, {"cycle_epochs": 1, "members": 0}):
        with pytest.raises(ValueError, match="must be at least 1"):
            SnapshotEnsemble(**arguments)
    with pytest.raises(ValueError, match="`peak` must be above 0"):
        SnapshotEnsemble(1, peak=0.0)
    snapshots = SnapshotEnsemble(1)
    x = keras.Input((3,))
    two = keras.Model(x, [keras.layers.Dense(1)(x), keras.layers.Dense(1)(x)])
    two.compile("sgd", ["mse", "mse"])
    two.fit(X, [Y, Y], verbose=0, callbacks=[snapshots])
    with pytest.raises(ValueError, match="functional model with one output"):
        snapshots.ensemble_model()


def test_unknown_steps_are_named():
    snapshots = SnapshotEnsemble(1)
    snapshots.set_model(new_model())
    snapshots.set_params({"epochs": 2, "steps": None})
    with pytest.raises(ValueError, match="Pass `steps_per_epoch`"):
        snapshots.on_train_begin()


def test_epochs_that_are_left_out_do_not_count():
    fitting = {"initial_epoch": 4, "epochs": 6, "batch_size": 8, "verbose": 0}
    with pytest.raises(ValueError, match="No cycle of 3 epochs is finished in 2"):
        new_model().fit(X, Y, callbacks=[SnapshotEnsemble(3)], **fitting)
    snapshots = SnapshotEnsemble(2)
    new_model().fit(X, Y, callbacks=[snapshots], **fitting)
    assert snapshots.summary()["members"] == 1


def test_a_training_that_ends_before_the_first_member_is_told_of():
    stop = EarlyStopping("loss", patience=1, start_value=-1.0)
    with pytest.warns(UserWarning, match="after 1 epochs, .* cycle of 4: .* has no member"):
        new_model().fit(X, Y, epochs=8, verbose=0, callbacks=[SnapshotEnsemble(4), stop])
