"""What every callback promises: it works in a bare `fit`, and one instance serves two fits."""

import importlib
import inspect
import pkgutil

import keras
import numpy as np
import pytest

import kerasrecipes.callbacks

ARGUMENTS = {"BatchLoss": {"count": 8, "batch_size": 4}, "Progress": {"say": lambda line: None}}


def callbacks():
    found = {}
    for module in pkgutil.iter_modules(kerasrecipes.callbacks.__path__):
        loaded = importlib.import_module(f"kerasrecipes.callbacks.{module.name}")
        for name, one in inspect.getmembers(loaded, inspect.isclass):
            if issubclass(one, keras.callbacks.Callback) and one.__module__ == loaded.__name__:
                found[name] = one
    return found


def test_catalogue_is_walked():
    assert len(callbacks()) == 4


@pytest.mark.parametrize("name", sorted(callbacks()))
def test_one_instance_serves_two_bare_fits(name):
    callback = callbacks()[name](**ARGUMENTS.get(name, {}))
    assert inspect.getdoc(type(callback))
    x = np.random.default_rng(0).normal(size=(8, 3))
    histories = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        fit = model.fit(
            x, x[:, 0], validation_data=(x, x[:, 0]), epochs=3, batch_size=4,
            shuffle=False, callbacks=[callback], verbose=0,
        )  # fmt: skip
        histories.append(fit.history)
    assert histories[0] == histories[1]
    assert len(histories[0]["loss"]) == 3
