"""What every callback promises: it works in a bare `fit`, and one instance serves two fits."""

import importlib
import inspect
import json
import pkgutil
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest

import kerasrecipes.callbacks
from kerasrecipes.callbacks.state.state_folder import pack_tree

SCRATCH = Path(tempfile.mkdtemp(prefix="callbacks-"))
PROBE = (np.ones((4, 3)), np.ones((4,)))
ARGUMENTS = {
    "BatchLoss": {"count": 8, "batch_size": 4},
    "DriftCheck": {"train": np.ones((20, 3)), "val": np.ones((20, 3))},
    "ExactCheckpoint": {"folder": SCRATCH / "checkpoint"},
    "GradientMonitor": {"probe": PROBE},
    "MetricsLog": {"path": SCRATCH / "metrics.jsonl"},
    "MlflowWriter": {"store": SCRATCH / "mlflow.db"},
    "SnapshotEnsemble": {"cycle_epochs": 1},
    "StochasticWeightAveraging": {"start_epoch": 1},
    "TensorBoardWriter": {"log_dir": SCRATCH / "tensorboard"},
}


def callbacks():
    found = {}
    package = kerasrecipes.callbacks
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        loaded = importlib.import_module(module.name)
        for name, one in inspect.getmembers(loaded, inspect.isclass):
            if issubclass(one, keras.callbacks.Callback) and one.__module__ == loaded.__name__:
                found[name] = one
    return found


def test_catalogue_is_walked():
    assert len(callbacks()) == 22


def test_every_callback_can_be_resumed():
    cannot = {
        name
        for name, one in callbacks().items()
        if not (hasattr(one, "get_state") and hasattr(one, "set_state"))
    }
    assert cannot == {"ExactCheckpoint"}  # which resumes the others


@pytest.mark.parametrize("name", sorted(callbacks()))
def test_one_instance_serves_two_bare_fits(name):
    if name == "MlflowWriter":
        pytest.importorskip("mlflow")
    callback = callbacks()[name](**ARGUMENTS.get(name, {}))
    assert inspect.getdoc(type(callback))
    x = np.random.default_rng(0).normal(size=(8, 3))
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, name="head")], name="tiny")
    model.compile("sgd", "mse")
    histories, summaries = [], []
    for _ in range(2):
        # Zeros and shared values, for the callbacks that hold them.
        model.layers[0].set_weights([np.array([[0.0], [0.5], [0.5]]), np.zeros(1)])
        fit = model.fit(
            x, x[:, 0], validation_data=(x, x[:, 0]), epochs=3, batch_size=4,
            shuffle=False, callbacks=[callback], verbose=0,
        )  # fmt: skip
        histories.append(fit.history)
        summaries.append(callback.summary() if hasattr(callback, "summary") else {})
    if name != "LatencyMonitor":  # what is timed is never the same again
        assert histories[0] == histories[1]
        assert summaries[0] == summaries[1]
    if hasattr(callback, "get_state"):
        pack_tree(callback.get_state())  # what is needed to resume can be written
    json.dumps(summaries)  # what lands in the report is plain data
    assert len(histories[0]["loss"]) == 3
