"""One line per epoch, and a bar that counts the steps of the whole training."""

from contextlib import contextmanager

import keras
import numpy as np
import pytest

from kerasrecipes.callbacks import progress
from kerasrecipes.callbacks.progress import Progress


class Stop(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        raise KeyboardInterrupt


@pytest.fixture
def bars(monkeypatch):
    """Collect what bars are told, instead of showing it."""
    told = []

    @contextmanager
    def bar(what):
        told.append(what)
        try:
            yield lambda *shown: told.append(shown)
        finally:
            told.append("closed")

    monkeypatch.setattr(progress, "bar", bar)
    return told


def fit(*callbacks):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((4, 1), "float32")
    model.fit(x, x, batch_size=2, epochs=2, verbose=0, callbacks=list(callbacks))


def test_the_bar_counts_the_steps_of_all_epochs(bars, capsys):
    fit(Progress("head"))
    places = ["head  1/2", "head  1/2", "head  2/2", "head  2/2"]
    shown = [(done, 4, place) for done, place in enumerate(places, start=1)]
    assert bars == ["head", *shown, "closed"]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and lines[1].startswith("  head  2/2  loss ")


def test_as_a_context_it_takes_the_bar_away_from_a_training_that_fails(bars):
    with pytest.raises(KeyboardInterrupt), Progress("head") as shown:
        fit(shown, Stop())
    assert bars == ["head", (1, 4, "head  1/2"), "closed"]
