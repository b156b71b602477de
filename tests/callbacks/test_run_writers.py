"""What the tools read back is what was measured."""

import sys

import keras
import numpy as np
import pytest

from kerasrecipes.callbacks.run_writers import MlflowWriter, TensorBoardWriter
from kerasrecipes.errors import MissingDependencyError


def fit(writer, epochs):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.25), "mse")
    x = np.ones((4, 2))
    history = model.fit(x, x[:, 0], epochs=epochs, callbacks=[writer], verbose=0)
    return history.history["loss"]


def scalars(folder):
    import tensorflow as tf

    found = {}
    for path in sorted(folder.iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                number = float(tf.make_ndarray(value.tensor))
                found.setdefault(value.tag, {})[event.step] = number
    return found


def test_tensorboard_shows_two_fits_as_one_curve(tmp_path):
    writer = TensorBoardWriter(tmp_path / "log")
    losses = fit(writer, 2) + fit(writer, 1)
    found = scalars(tmp_path / "log")
    assert found["loss"] == pytest.approx(dict(enumerate(losses, 1)))
    assert found["learning_rate"] == {1: 0.25, 2: 0.25, 3: 0.25}


def test_a_resumed_writer_counts_on(tmp_path):
    first = TensorBoardWriter(tmp_path / "log")
    fit(first, 2)
    second = TensorBoardWriter(tmp_path / "log")
    second.set_state(first.get_state())
    fit(second, 1)
    assert sorted(scalars(tmp_path / "log")["loss"]) == [1, 2, 3]


def test_mlflow_is_told_when_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "kerasrecipes\[mlflow\]"'):
        MlflowWriter("mlflow.db")


def test_mlflow_runs_lie_in_one_local_file(tmp_path):
    mlflow = pytest.importorskip("mlflow")
    store = tmp_path / "runs" / "mlflow.db"
    losses = []
    for name in ("one", "two"):
        writer = MlflowWriter(store, name=name, parameters={"seed": 7})
        losses.append(fit(writer, 2) + fit(writer, 1))
    again = MlflowWriter(store)
    again.set_state(writer.get_state())
    losses[-1] += fit(again, 1)

    client = mlflow.MlflowClient(f"sqlite:///{store}")
    experiment = client.get_experiment_by_name("kerasrecipes").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    assert set(runs) == {"one", "two"}
    for name, expected in zip(("one", "two"), losses, strict=True):
        assert runs[name].data.params == {"seed": "7"}
        assert runs[name].info.status == "FINISHED"
        history = client.get_metric_history(runs[name].info.run_id, "loss")
        assert {one.step: one.value for one in history} == dict(enumerate(expected, 1))
